package com.microsoft.azure.iot.kafka.connect.sink;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Collection;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.connect.connector.Task;
import org.apache.kafka.connect.errors.ConnectException;
import org.apache.kafka.connect.sink.SinkConnector;
import org.apache.kafka.connect.sink.SinkRecord;
import org.apache.kafka.connect.sink.SinkTask;

/** Stands in for the old sink connector: it "sends" a command by a line in the file `sent` of the folder `stand.in.folder`. */
public class IotHubSinkConnector extends SinkConnector {
    private Map<String, String> properties;

    @Override
    public void start(Map<String, String> given) {
        properties = given;
    }

    @Override
    public Class<? extends Task> taskClass() {
        return Commands.class;
    }

    @Override
    public List<Map<String, String>> taskConfigs(int most) {
        return Collections.nCopies(most, properties);
    }

    @Override
    public void stop() {
    }

    @Override
    public ConfigDef config() {
        return new ConfigDef();
    }

    @Override
    public String version() {
        return "0.7.0";
    }

    /** One at a time, with a pause, as there. */
    public static class Commands extends SinkTask {
        private static final long PAUSE_MS = 5;
        private Path sent;

        @Override
        public void start(Map<String, String> properties) {
            sent = Path.of(properties.get("stand.in.folder"), "sent");
        }

        @Override
        public void put(Collection<SinkRecord> records) {
            try {
                for (SinkRecord record : records) {
                    Files.writeString(sent, record.value() + "\n", StandardOpenOption.CREATE, StandardOpenOption.APPEND);
                    Thread.sleep(PAUSE_MS);
                }
            } catch (IOException | InterruptedException error) {
                throw new ConnectException(error);
            }
        }

        @Override
        public void stop() {
        }

        @Override
        public String version() {
            return "0.7.0";
        }
    }
}
