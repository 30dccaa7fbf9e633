// Appends with Emmett for a fixed time, and prints one JSON line with what was acknowledged.
//
//     node append.mjs '{"url": ..., "mode": "append", "callers": 16, "seconds": 3, ...}'
//
// Modes: `append` one fact a call, each caller to a stream of its own; `bulk` a new stream of
// `streamFacts` facts a call; `commands` Emmett's CommandHandler (aggregateStream, decide, append)
// on a stream that is left for a new one at `streamFacts` facts.
//
// What is set, and why: a pool of as many connections as callers, up to `connections`; the schema
// made beforehand, so that no append asks whether it is there. The expected version goes with each
// append, as with the others that are measured. Emmett has no faster way that would be less safe.

import { randomUUID } from 'node:crypto';
import { CommandHandler, STREAM_DOES_NOT_EXIST } from '@event-driven-io/emmett';
import { getPostgreSQLEventStore } from '@event-driven-io/emmett-postgresql';
import pg from 'pg';

const task = JSON.parse(process.argv[2]);
const pool = new pg.Pool({
  connectionString: task.url,
  max: Math.min(task.callers, task.connections),
});
const store = getPostgreSQLEventStore(task.url, {
  connectionOptions: { pool },
  schema: { autoMigration: 'None' },
});
const event = () => ({
  type: task.name,
  data: { channel: task.channel, summary: task.summary },
});

const appending = () => {
  const stream = `customer-${randomUUID()}`;
  let expectedStreamVersion = STREAM_DOES_NOT_EXIST;
  return async () => {
    const done = await store.appendToStream(stream, [event()], { expectedStreamVersion });
    expectedStreamVersion = done.nextExpectedStreamVersion;
    return 1;
  };
};

const bulk = () => async () => {
  const events = Array.from({ length: task.streamFacts }, event);
  await store.appendToStream(`customer-${randomUUID()}`, events, {
    expectedStreamVersion: STREAM_DOES_NOT_EXIST,
  });
  return task.streamFacts;
};

const handle = CommandHandler({
  initialState: () => ({ contacts: 0 }),
  evolve: (state) => ({ contacts: state.contacts + 1 }),
});
const decide = (state) => {
  if (state.contacts >= task.streamFacts) throw new Error('this stream is full');
  return event();
};
const commands = () => {
  let [stream, facts] = ['', task.streamFacts];
  return async () => {
    if (facts === task.streamFacts) [stream, facts] = [`customer-${randomUUID()}`, 0];
    await handle(store, stream, decide);
    facts += 1;
    return 1;
  };
};

const main = async () => {
  const making = getPostgreSQLEventStore(task.url);
  await making.schema.migrate();
  await making.close();
  const mode = { append: appending, bulk, commands }[task.mode];
  const start = performance.now() + task.warmUp * 1000;
  const end = start + task.seconds * 1000;
  const latencies = [];
  let [total, inTime] = [0, 0];
  const run = async (call) => {
    for (let began = performance.now(); began < end; began = performance.now()) {
      const facts = await call();
      const now = performance.now();
      total += facts;
      if (now >= start) latencies.push(now - began);
      if (now >= start && now < end) inTime += facts;
    }
  };
  await Promise.all(Array.from({ length: task.callers }, () => run(mode())));
  latencies.sort((a, b) => a - b);
  const at = (part) => latencies[Math.min(Math.floor(latencies.length * part), latencies.length - 1)];
  console.log(
    JSON.stringify({ total, count: inTime, seconds: task.seconds, p50: at(0.5), p99: at(0.99) }),
  );
  await pool.end();
};

await main();
