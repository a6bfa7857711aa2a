// Usage: node command.mjs '<JSON>' with {connectionString, commands: [{deviceId, body, messageId?, ack?, properties?}], feedback}
// Sends each command in turn and then waits for as many feedback records as `feedback` says.
// Prints one line of JSON: {outcomes: ["sent" or the error's name], feedback: [record]}.
import iothub from "azure-iothub";
import { Message } from "azure-iothub/dist/common-core/message.js";

const order = JSON.parse(process.argv[2]);
const client = iothub.Client.fromConnectionString(order.connectionString);
await client.open();

const outcomes = [];
for (const command of order.commands) {
  const message = new Message(command.body);
  if (command.messageId) message.messageId = command.messageId;
  if (command.ack) message.ack = command.ack;
  for (const [name, value] of Object.entries(command.properties ?? {})) message.properties.add(name, value);
  try {
    await client.send(command.deviceId, message);
    outcomes.push("sent");
  } catch (error) {
    outcomes.push(error.name);
  }
}

const feedback = [];
if (order.feedback > 0) {
  const receiver = await new Promise((resolve, reject) => {
    client.getFeedbackReceiver((error, made) => (error ? reject(error) : resolve(made)));
  });
  await new Promise((resolve, reject) => {
    receiver.on("errorReceived", reject);
    receiver.on("message", async (message) => {
      feedback.push(...JSON.parse(message.data.toString()));
      await receiver.complete(message);
      if (feedback.length >= order.feedback) resolve();
    });
  });
}
await client.close();
console.log(JSON.stringify({ outcomes, feedback }));
