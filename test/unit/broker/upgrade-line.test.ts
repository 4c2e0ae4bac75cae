/** Who comes in which turn of the event loop, who waits for room and for how long: the line itself, on virtual time. */
import { expect, test } from "vitest";
import { UpgradeLine } from "../../../src/broker/transports/upgrade-line.js";
import { turnOfLoop } from "../../../src/base/turn.js";
import { VirtualClock } from "../../support/virtual-clock.js";

function lineOf(): {
  readonly line: UpgradeLine<number>;
  readonly clock: VirtualClock;
  readonly taken: number[];
  readonly refused: number[];
  readonly room: { left: number };
} {
  const clock = new VirtualClock();
  const [taken, refused, room] = [[] as number[], [] as number[], { left: Infinity }];
  const line = new UpgradeLine<number>({
    clock,
    take: (item) => {
      if (room.left === 0) return "later";
      room.left -= 1;
      taken.push(item);
      return "taken";
    },
    refuse: (item) => {
      refused.push(item);
    },
    onFailed: (error) => {
      throw error;
    },
  });
  return { line, clock, taken, refused, room };
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await turnOfLoop();
}

test("connections that come turn after turn go before upgrades, up to a second", async () => {
  const { line, clock, taken } = lineOf();
  line.accepted();
  line.add(1);
  for (let turn = 0; turn < 5; turn += 1) {
    await turnOfLoop();
    line.accepted();
  }
  expect(taken).toEqual([]);
  await clock.pass(1_000);
  line.accepted();
  await turns(2);
  expect(taken).toEqual([1]);
});

test("the first turn without a connection takes who waits, in order", async () => {
  const { line, taken } = lineOf();
  line.accepted();
  for (const item of [1, 2, 3]) line.add(item);
  await turns(3);
  expect(taken).toEqual([1, 2, 3]);
});

test("who finds no room is taken as soon as there is", async () => {
  const { line, clock, taken, refused, room } = lineOf();
  room.left = 1;
  for (const item of [1, 2, 3]) line.add(item);
  await turns(3);
  await clock.pass(3_000);
  expect([taken, refused]).toEqual([[1], []]);
  room.left = 2;
  await clock.pass(5);
  await turns(2);
  expect([taken, refused]).toEqual([[1, 2, 3], []]);
});

test("who finds none in time is refused, in its own time", async () => {
  const { line, clock, taken, refused, room } = lineOf();
  room.left = 0;
  line.add(1);
  await turns(2);
  await clock.pass(3_000);
  line.add(2);
  await clock.pass(1_010);
  await turns(2);
  expect([taken, refused]).toEqual([[], [1]]);
  await clock.pass(3_000);
  await turns(2);
  expect([taken, refused]).toEqual([[], [1, 2]]);
});
