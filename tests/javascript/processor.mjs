// Microsoft's JavaScript processor: EventHubConsumerClient with its blob store. What it reads and prints: ../interop/README.md
import { EventHubConsumerClient, earliestEventPosition } from "@azure/event-hubs";
import { BlobCheckpointStore } from "@azure/eventhubs-checkpointstore-blob";
import { ContainerClient } from "@azure/storage-blob";

const order = process.env;
const every = Number(order.CHECKPOINT_EVERY);
const last = new Map();
const handled = new Map();
let stopping = false;

const store = new BlobCheckpointStore(new ContainerClient(order.BLOB_CONNECTION_STRING, order.BLOB_CONTAINER));
const client = new EventHubConsumerClient(order.CONSUMER_GROUP, order.HUB_CONNECTION_STRING, store, {
  customEndpointAddress: `sb://${order.HUB_ENDPOINT}`,
  loadBalancingOptions: {
    strategy: "greedy",
    updateIntervalInMs: Number(order.CLAIM_SECONDS) * 1000,
    partitionOwnershipExpirationIntervalInMs: Number(order.OWNERSHIP_SECONDS) * 1000,
  },
});

async function checkpoint(context) {
  const event = last.get(context.partitionId);
  if (event === undefined) return;
  last.delete(context.partitionId);
  await context.updateCheckpoint(event);
  console.log(`checkpoint ${context.partitionId} ${event.sequenceNumber}`);
}

const subscription = client.subscribe(
  {
    processEvents: async (events, context) => {
      const partition = context.partitionId;
      for (const event of events) {
        if (stopping) return;
        console.log(`event ${partition} ${event.sequenceNumber} ${event.body}`);
        last.set(partition, event);
        handled.set(partition, (handled.get(partition) ?? 0) + 1);
        if (handled.get(partition) % every === 0) await checkpoint(context);
      }
    },
    processClose: async (reason, context) => checkpoint(context),
    processError: async (error, context) => console.error(`error in partition ${context.partitionId}:`, error),
  },
  { startPosition: earliestEventPosition, maxBatchSize: 20, maxWaitTimeInSeconds: 1 },
);

process.on("SIGTERM", async () => {
  stopping = true;
  await subscription.close();
  await client.close();
  console.log("stopped");
});
