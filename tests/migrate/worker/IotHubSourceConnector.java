package com.microsoft.azure.iot.kafka.connect.source;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.connect.connector.Task;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.errors.ConnectException;
import org.apache.kafka.connect.source.SourceConnector;
import org.apache.kafka.connect.source.SourceRecord;
import org.apache.kafka.connect.source.SourceTask;

/**
 * Stands in for the old source connector, which no Maven repository has: to its worker it looks the same (properties, tasks,
 * keys and values of its positions, struct), but it takes the events from files, not from a hub. `stand.in.folder` has a file
 * for each partition; a line is an event: offset, sequence number, enqueued time in Unix milliseconds, device id and content,
 * with tabs between.
 */
public class IotHubSourceConnector extends SourceConnector {
    private Map<String, String> properties;

    @Override
    public void start(Map<String, String> given) {
        properties = given;
    }

    @Override
    public Class<? extends Task> taskClass() {
        return Telemetry.class;
    }

    @Override
    public List<Map<String, String>> taskConfigs(int most) {
        int count = Integer.parseInt(properties.get("IotHub.Partitions"));
        List<Map<String, String>> tasks = new ArrayList<>();
        for (int task = 0; task < Math.min(most, count); task++) {
            Map<String, String> config = new HashMap<>(properties);
            config.put("first", Integer.toString(task));
            config.put("step", Integer.toString(most));
            tasks.add(config);
        }
        return tasks;
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

    /** Reads one event of each of its partitions at a time, so that it can be stopped on its way. */
    public static class Telemetry extends SourceTask {
        private static final long PAUSE_MS = 15;
        private static final Schema TEXTS = SchemaBuilder.map(Schema.STRING_SCHEMA, Schema.STRING_SCHEMA).build();
        private static final Schema SCHEMA = SchemaBuilder.struct().name("iothub.kafka.connect").version(1)
            .field("deviceId", Schema.STRING_SCHEMA).field("offset", Schema.STRING_SCHEMA)
            .field("contentType", Schema.OPTIONAL_STRING_SCHEMA).field("enqueuedTime", Schema.STRING_SCHEMA)
            .field("sequenceNumber", Schema.INT64_SCHEMA).field("content", Schema.STRING_SCHEMA)
            .field("systemProperties", TEXTS).field("properties", TEXTS).build();

        private final Map<Map<String, String>, Iterator<String>> events = new LinkedHashMap<>();
        private String topic;

        @Override
        public void start(Map<String, String> properties) {
            topic = properties.get("Kafka.Topic");
            int count = Integer.parseInt(properties.get("IotHub.Partitions"));
            int step = Integer.parseInt(properties.get("step"));
            for (int number = Integer.parseInt(properties.get("first")); number < count; number += step) {
                Map<String, String> partition = Map.of(
                    "EventHubName", properties.get("IotHub.EventHubCompatibleName"), "EventHubPartition", "" + number);
                events.put(partition, behind(partition, Path.of(properties.get("stand.in.folder"), "" + number)));
            }
        }

        private Iterator<String> behind(Map<String, String> partition, Path file) {
            Map<String, Object> saved = context.offsetStorageReader().offset(partition);
            try {
                Iterator<String> lines = Files.readAllLines(file).iterator();
                boolean found = saved == null;
                while (!found && lines.hasNext()) {
                    found = lines.next().startsWith(saved.get("EventHubOffset") + "\t");
                }
                return lines;
            } catch (IOException error) {
                throw new ConnectException(error);
            }
        }

        @Override
        public List<SourceRecord> poll() throws InterruptedException {
            Thread.sleep(PAUSE_MS);
            List<SourceRecord> records = new ArrayList<>();
            for (Map.Entry<Map<String, String>, Iterator<String>> each : events.entrySet()) {
                if (each.getValue().hasNext()) {
                    records.add(record(each.getKey(), each.getValue().next().split("\t")));
                }
            }
            return records;
        }

        private SourceRecord record(Map<String, String> partition, String[] event) {
            Struct struct = new Struct(SCHEMA)
                .put("deviceId", event[3]).put("offset", event[0]).put("contentType", "")
                .put("enqueuedTime", Instant.ofEpochMilli(Long.parseLong(event[2])).toString())
                .put("sequenceNumber", Long.parseLong(event[1])).put("content", event[4])
                .put("systemProperties", Map.of()).put("properties", Map.of());
            return new SourceRecord(partition, Map.of("EventHubOffset", event[0]), topic, SCHEMA, struct);
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
