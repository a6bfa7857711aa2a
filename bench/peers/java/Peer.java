import com.azure.core.amqp.models.AmqpAnnotatedMessage;
import com.azure.core.amqp.models.AmqpMessageProperties;
import com.azure.messaging.eventhubs.EventData;
import com.azure.messaging.eventhubs.EventHubClientBuilder;
import com.azure.messaging.eventhubs.EventHubConsumerAsyncClient;
import com.azure.messaging.eventhubs.models.EventPosition;
import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import java.io.ByteArrayOutputStream;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.Date;
import java.util.Map;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * The way from one partition of a hub into Kafka on the stock clients for Java, as fast as we could make it.
 * See ../../README.md for how it is measured; it runs until SIGTERM and keeps no position.
 *
 * Chosen for speed: the asynchronous client, as the other one copies into a queue; Jackson's generator, which binds no types and
 * writes UTF-8 at once; one output buffer for all events; the text of a second kept for all events in it; batches of 262,144 bytes
 * where kafka-clients' default is 16,384; the parallel collector and a fixed heap. Not measured yet on a quiet machine: other
 * prefetches (the client's default is 500) and JSON written by hand as in Go.
 */
public final class Peer {
    private static final int PREFETCH = 2_000;
    private static final int BATCH_BYTES = 262_144;
    private static final String PARTITION = "0";
    private static final String DEVICE = "iothub-connection-device-id";
    private static final String MODULE = "iothub-connection-module-id";
    private static final JsonFactory JSON = new JsonFactory();
    private static final ByteArrayOutputStream OUT = new ByteArrayOutputStream(4096);
    private static final char REPLACED = '\uFFFD';
    private static long second = -1;
    private static String untilSecond = "";

    public static void main(String[] arguments) throws Exception {
        SSLContext.setDefault(trusting(order("HUB_CA_FILE")));
        String topic = order("TOPIC");
        KafkaProducer<byte[], byte[]> kafka = new KafkaProducer<>(Map.of(
            "bootstrap.servers", order("KAFKA_BOOTSTRAP"),
            "acks", "all",
            "enable.idempotence", true,
            "compression.type", "lz4",
            "linger.ms", 5,
            "batch.size", BATCH_BYTES,
            "buffer.memory", 67_108_864L,
            "max.request.size", 1_048_576
        ), new ByteArraySerializer(), new ByteArraySerializer());
        EventHubConsumerAsyncClient hub = new EventHubClientBuilder()
            .connectionString(order("HUB_CONNECTION_STRING"))
            .customEndpointAddress("https://" + order("HUB_ENDPOINT"))
            .consumerGroup(EventHubClientBuilder.DEFAULT_CONSUMER_GROUP_NAME)
            .prefetchCount(PREFETCH)
            .buildAsyncConsumerClient();
        hub.receiveFromPartition(PARTITION, EventPosition.earliest()).subscribe(received -> {
            EventData event = received.getData();
            Map<String, Object> annotations = event.getRawAmqpMessage().getMessageAnnotations();
            Object device = annotations.get(DEVICE);
            byte[] key = device == null ? null : device.toString().getBytes(StandardCharsets.UTF_8);
            long enqueued = event.getEnqueuedTime().toEpochMilli();
            // It waits here while the producer has no room.
            kafka.send(new ProducerRecord<>(topic, null, enqueued, key, json(event)), (metadata, error) -> {
                if (error != null) {
                    fail(error);
                }
            });
        }, Peer::fail);
        Thread.currentThread().join();
    }

    /** The JSON that ingest's format `json` makes of an event. Events come on one thread at a time. */
    private static byte[] json(EventData event) {
        OUT.reset();
        try (JsonGenerator out = JSON.createGenerator(OUT)) {
            AmqpAnnotatedMessage message = event.getRawAmqpMessage();
            AmqpMessageProperties properties = message.getProperties();
            Map<String, Object> annotations = message.getMessageAnnotations();
            out.writeStartObject();
            member(out, "deviceId", annotations.get(DEVICE));
            if (annotations.containsKey(MODULE)) {
                member(out, "moduleId", annotations.get(MODULE));
            }
            out.writeStringField("offset", event.getOffsetString());
            out.writeNumberField("sequenceNumber", event.getSequenceNumber());
            out.writeStringField("partition", PARTITION);
            out.writeStringField("enqueuedTime", rfc3339(event.getEnqueuedTime()));
            out.writeStringField("contentType", properties.getContentType());
            out.writeStringField("contentEncoding", properties.getContentEncoding());
            if (properties.getMessageId() != null) {
                out.writeStringField("messageId", properties.getMessageId().toString());
            }
            if (properties.getCorrelationId() != null) {
                out.writeStringField("correlationId", properties.getCorrelationId().toString());
            }
            byte[] body = event.getBody();
            String text = new String(body, StandardCharsets.UTF_8);
            if (text.indexOf(REPLACED) < 0) {
                out.writeStringField("content", text);
            } else {
                out.writeBinaryField("content", body);
                out.writeStringField("contentTransfer", "base64");
            }
            out.writeObjectFieldStart("systemProperties");
            for (Map.Entry<String, Object> one : annotations.entrySet()) {
                String name = one.getKey();
                if (!name.startsWith("x-opt-") && !name.equals(DEVICE) && !name.equals(MODULE)) {
                    member(out, name, one.getValue());
                }
            }
            if (properties.getCreationTime() != null) {
                member(out, "creation-time", properties.getCreationTime());
            }
            out.writeEndObject();
            out.writeObjectFieldStart("properties");
            for (Map.Entry<String, Object> one : event.getProperties().entrySet()) {
                member(out, one.getKey(), one.getValue());
            }
            out.writeEndObject();
            out.writeEndObject();
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
        return OUT.toByteArray();
    }

    private static void member(JsonGenerator out, String name, Object value) throws IOException {
        out.writeFieldName(name);
        if (value instanceof CharSequence) {
            out.writeString(value.toString());
        } else if (value instanceof Instant) {
            out.writeNumber(((Instant) value).toEpochMilli());
        } else if (value instanceof OffsetDateTime) {
            out.writeNumber(((OffsetDateTime) value).toInstant().toEpochMilli());
        } else if (value instanceof Date) {
            out.writeNumber(((Date) value).getTime());
        } else if (value == null || value instanceof Number || value instanceof Boolean) {
            out.writeObject(value);
        } else {
            out.writeString(value.toString());
        }
    }

    /** Three digits of milliseconds; many events share a second. */
    private static String rfc3339(Instant time) {
        if (time.getEpochSecond() != second) {
            second = time.getEpochSecond();
            untilSecond = time.atOffset(ZoneOffset.UTC).toString().substring(0, 16)
                + String.format(":%02d.", Math.floorMod(second, 60));
        }
        int millis = time.getNano() / 1_000_000;
        return untilSecond + (char) ('0' + millis / 100) + (char) ('0' + millis / 10 % 10) + (char) ('0' + millis % 10) + 'Z';
    }

    private static void fail(Throwable error) {
        error.printStackTrace();
        Runtime.getRuntime().halt(1);
    }

    private static String order(String name) {
        return System.getenv(name);
    }

    private static SSLContext trusting(String caFile) throws Exception {
        KeyStore trusted = KeyStore.getInstance(KeyStore.getDefaultType());
        trusted.load(null, null);
        try (InputStream file = new FileInputStream(caFile)) {
            trusted.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(file));
        }
        TrustManagerFactory factory = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        factory.init(trusted);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, factory.getTrustManagers(), null);
        return context;
    }
}
