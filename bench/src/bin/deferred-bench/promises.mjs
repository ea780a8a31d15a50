// The shapes with V8's promises. deferred-bench runs this and asks through stdin; see peer.rs.

import { createInterface } from "node:readline";

const FIRED_IN_A_ROW = 1000;
const UNFIRED_AT_ONCE = 20;
// This many are under way before their callbacks are waited for: a wait has a cost of its own, which belongs to none.
const UNDER_WAY = 64;

const plus = (number) => (value) => value + number;

function unfired() {
  let fire;
  const promise = new Promise((resolve) => { fire = resolve; });
  return [promise, fire];
}

function madeFired() {
  return Promise.resolve(2).then(plus(1)).then(plus(2)).then(plus(3)).then(plus(4));
}

function firedFirst() {
  const [promise, fire] = unfired();
  fire(2);
  return promise.then(plus(1)).then(plus(2)).then(plus(3)).then(plus(4));
}

function firedAtEnd() {
  const [promise, fire] = unfired();
  const chain = promise.then(plus(1)).then(plus(2)).then(plus(3)).then(plus(4));
  fire(2);
  return chain;
}

class Boom extends Error {}

function errbackChain() {
  return Promise.resolve("result")
    .then((_) => { throw new Boom("boom!"); })
    .catch((error) => {
      if (!(error instanceof Boom)) throw error;
      throw new Boom("lesser boom!");
    })
    .then((_) => null, (_) => null);
}

function chainedFired() {
  const [promise, fire] = unfired();
  const second = Promise.resolve(123);
  const third = Promise.resolve(456);
  const chain = promise.then((_) => second).then((_) => third);
  fire(123);
  return chain;
}

function chainedNotFired() {
  const [promise, fire] = unfired();
  const [second, fireSecond] = unfired();
  const [third, fireThird] = unfired();
  const [fourth, fireFourth] = unfired();
  const waiting = third.then((_) => fourth);
  fireThird(123);
  const chain = promise.then((_) => second).then((_) => waiting);
  fireSecond(123);
  fireFourth(57);
  fire(7);
  return chain;
}

async function awaitFired() {
  let sum = 0;
  for (let value = 0; value < FIRED_IN_A_ROW; value++) sum += await Promise.resolve(value);
  return sum;
}

async function sumOf(promises) {
  let sum = 0;
  for (const promise of promises) sum += await promise;
  return sum;
}

function awaitUnfired() {
  const promises = [];
  const fires = [];
  for (let at = 0; at < UNFIRED_AT_ONCE; at++) {
    const [promise, fire] = unfired();
    promises.push(promise);
    fires.push(fire);
  }
  const sum = sumOf(promises);
  for (let value = 0; value < UNFIRED_AT_ONCE; value++) fires[value](value);
  return sum;
}

const upTo = (count) => (count * (count - 1)) / 2;

// The shape, how many operations one call is, and its result.
const SHAPES = {
  "succeed": [madeFired, 1, 12],
  "fired-first": [firedFirst, 1, 12],
  "fired-at-end": [firedAtEnd, 1, 12],
  "errback-chain": [errbackChain, 1, null],
  "chained-fired": [chainedFired, 1, 456],
  "chained-not-fired": [chainedNotFired, 1, 57],
  "await-fired": [awaitFired, FIRED_IN_A_ROW, upTo(FIRED_IN_A_ROW)],
  "await-unfired": [awaitUnfired, UNFIRED_AT_ONCE, upTo(UNFIRED_AT_ONCE)],
};

// How many nanoseconds they take. The last that was begun is the last to end.
async function repeat(shape, calls) {
  const start = process.hrtime.bigint();
  for (let left = calls; left > 0; left -= UNDER_WAY) {
    let last;
    for (let begun = Math.min(left, UNDER_WAY); begun > 0; begun--) last = shape();
    await last;
  }
  return process.hrtime.bigint() - start;
}

for (const [name, [shape, , right]] of Object.entries(SHAPES)) {
  const result = await shape();
  if (result !== right) throw new Error(`promises: ${name} comes to ${result}`);
}
process.stdout.write(`ready V8 ${process.versions.v8}, Node ${process.versions.node}\n`);

for await (const line of createInterface({ input: process.stdin })) {
  const [name, count] = line.split(" ");
  const [shape, operations] = SHAPES[name];
  process.stdout.write(`${await repeat(shape, Math.ceil(Number(count) / operations))}\n`);
}
