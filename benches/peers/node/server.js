// A webhook server on express and LINE's SDK: verify and parse, one record to Kafka with acks=all, 200.
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

import kafkaJavascript from '@confluentinc/kafka-javascript';
import { JSONParseError, SignatureValidationFailed, middleware } from '@line/bot-sdk';
import express from 'express';

const { CompressionTypes, Kafka, logLevel } = kafkaJavascript.KafkaJS;

const text = { type: 'string' };
const { values: told } = parseArgs({ options: { listen: text, kafka: text, topic: text } });
const channelSecret = process.env.ANSHIN_BENCH_CHANNEL_SECRET;

const kafka = new Kafka({ kafkaJS: { brokers: told.kafka.split(','), logLevel: logLevel.WARN } });
const producer = kafka.producer({
  // Nothing is compressed, as everywhere here.
  kafkaJS: { acks: -1, idempotent: true, compression: CompressionTypes.None },
  // Requests wait for their record: the default, 5 ms, would only make them wait longer.
  'linger.ms': 0,
});
await producer.connect();

const messageOf = (event) => ({
  key: event.source.userId,
  value: JSON.stringify({
    event: event.webhookEventId,
    user: event.source.userId,
    message: event.message.id,
    text: event.message.text,
    at: event.timestamp,
  }),
});

const app = express();
app.disable('x-powered-by');
app.post('/webhook', middleware({ channelSecret }), async (req, res) => {
  const messages = req.body.events
    .filter((event) => event.type === 'message' && event.message.type === 'text')
    .map(messageOf);
  if (messages.length > 0) {
    try {
      await producer.send({ topic: told.topic, messages });
    } catch {
      res.status(503).end();
      return;
    }
  }
  res.status(200).end();
});
// eslint-disable-next-line no-unused-vars -- express knows it by its four arguments
app.use((error, req, res, next) => {
  if (error instanceof SignatureValidationFailed) {
    res.status(401).end();
  } else if (error instanceof JSONParseError) {
    res.status(400).end();
  } else {
    res.status(500).end();
  }
});

const versionOf = (name) =>
  JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, import.meta.url))).version;
const madeOf = ['@line/bot-sdk', 'express', '@confluentinc/kafka-javascript'].map(
  (name) => `${name} ${versionOf(name)}`,
);
const [, host, port] = told.listen.match(/^(.*):(\d+)$/);
const server = app.listen(Number(port), host, (error) => {
  if (error) throw error;
  console.log(
    [`Node ${process.versions.node}`, ...madeOf, `librdkafka ${kafkaJavascript.librdkafkaVersion}`].join(', '),
  );
});

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => server.close(() => producer.disconnect()));
}
