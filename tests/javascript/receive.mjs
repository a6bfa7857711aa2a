// Usage: node receive.mjs '<JSON>' with {connectionString, customEndpointAddress?, consumerGroup, count, position?}
// Prints one line of JSON: {hub, partitions, events: [{partition, body, sequenceNumber, offset, properties, system}]}.
import { EventHubConsumerClient, earliestEventPosition } from "@azure/event-hubs";

const order = JSON.parse(process.argv[2]);
const options = order.customEndpointAddress ? { customEndpointAddress: order.customEndpointAddress } : {};
const client = new EventHubConsumerClient(order.consumerGroup, order.connectionString, options);

const hub = await client.getEventHubProperties();
const partitions = [];
for (const id of hub.partitionIds) {
  const found = await client.getPartitionProperties(id);
  partitions.push({
    id,
    beginning: Number(found.beginningSequenceNumber),
    last: Number(found.lastEnqueuedSequenceNumber),
    offset: found.lastEnqueuedOffset,
  });
}

const events = [];
let failure;
let finish;
const finished = new Promise((resolve) => (finish = resolve));
const subscription = client.subscribe(
  {
    processEvents: async (batch, context) => {
      for (const event of batch) {
        events.push({
          partition: context.partitionId,
          body: event.body,
          sequenceNumber: Number(event.sequenceNumber),
          offset: String(event.offset),
          enqueued: event.enqueuedTimeUtc.getTime(),
          contentType: event.contentType,
          properties: event.properties ?? {},
          system: event.systemProperties ?? {},
        });
      }
      if (events.length >= order.count) finish();
    },
    processError: async (error) => {
      failure = { code: error.code, name: error.name, message: error.message };
      finish();
    },
  },
  {
    startPosition: order.position ?? earliestEventPosition,
    maxBatchSize: 500,
    maxWaitTimeInSeconds: 1,
    trackLastEnqueuedEventProperties: true,
  },
);
await finished;
await subscription.close();
await client.close();
console.log(JSON.stringify({ hub: hub.name, partitions, events, failure }));
