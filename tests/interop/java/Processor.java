import com.azure.messaging.eventhubs.EventProcessorClient;
import com.azure.messaging.eventhubs.EventProcessorClientBuilder;
import com.azure.messaging.eventhubs.LoadBalancingStrategy;
import com.azure.messaging.eventhubs.checkpointstore.blob.BlobCheckpointStore;
import com.azure.messaging.eventhubs.models.EventContext;
import com.azure.messaging.eventhubs.models.EventPosition;
import com.azure.storage.blob.BlobContainerAsyncClient;
import com.azure.storage.blob.BlobContainerClientBuilder;
import java.io.FileInputStream;
import java.io.InputStream;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/** Microsoft's Java processor: EventProcessorClient with its blob store. See ../README.md for what it reads and prints. */
public final class Processor {
    private static final Map<String, EventContext> LAST = new HashMap<>();
    private static final Map<String, Integer> HANDLED = new HashMap<>();
    private static boolean stopping = false;

    public static void main(String[] arguments) throws Exception {
        SSLContext.setDefault(trusting(order("HUB_CA_FILE")));
        BlobContainerAsyncClient container = new BlobContainerClientBuilder()
            .connectionString(order("BLOB_CONNECTION_STRING"))
            .containerName(order("BLOB_CONTAINER"))
            .buildAsyncClient();
        EventProcessorClient processor = new EventProcessorClientBuilder()
            .connectionString(order("HUB_CONNECTION_STRING"))
            .customEndpointAddress("https://" + order("HUB_ENDPOINT"))
            .consumerGroup(order("CONSUMER_GROUP"))
            .checkpointStore(new BlobCheckpointStore(container))
            .initialPartitionEventPosition(partition -> EventPosition.earliest())
            .loadBalancingStrategy(LoadBalancingStrategy.GREEDY)
            .loadBalancingUpdateInterval(seconds("CLAIM_SECONDS"))
            .partitionOwnershipExpirationInterval(seconds("OWNERSHIP_SECONDS"))
            .processEvent(Processor::handle)
            .processError(error -> System.err.println("error in partition "
                + error.getPartitionContext().getPartitionId() + ": " + error.getThrowable()))
            .buildEventProcessorClient();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> stop(processor)));
        processor.start();
        Thread.currentThread().join();
    }

    private static synchronized void handle(EventContext context) {
        if (stopping) {
            return;
        }
        String partition = context.getPartitionContext().getPartitionId();
        say("event " + partition + " " + context.getEventData().getSequenceNumber() + " "
            + context.getEventData().getBodyAsString());
        LAST.put(partition, context);
        if (HANDLED.merge(partition, 1, Integer::sum) % Integer.parseInt(order("CHECKPOINT_EVERY")) == 0) {
            checkpoint(partition);
        }
    }

    private static void checkpoint(String partition) {
        EventContext context = LAST.remove(partition);
        context.updateCheckpoint();
        say("checkpoint " + partition + " " + context.getEventData().getSequenceNumber());
    }

    private static void stop(EventProcessorClient processor) {
        synchronized (Processor.class) {
            stopping = true;
            for (String partition : LAST.keySet().toArray(new String[0])) {
                checkpoint(partition);
            }
        }
        processor.stop(Duration.ofSeconds(30));
        say("stopped");
    }

    private static void say(String line) {
        System.out.println(line);
        System.out.flush();
    }

    private static String order(String name) {
        return System.getenv(name);
    }

    private static Duration seconds(String name) {
        return Duration.ofMillis((long) (Double.parseDouble(order(name)) * 1000));
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
