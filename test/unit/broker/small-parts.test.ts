/** The broker's small parts on a clock of their own: rates, the timer wheel, slots, staleness, status, grants. */
import { describe, expect, test } from "vitest";
import type { Clock } from "../../../src/base/clock.js";
import { covers } from "../../../src/broker/auth/grant.js";
import { sameStatus, statusOf } from "../../../src/broker/channel-status.js";
import { VirtualClock } from "../../support/virtual-clock.js";
import { Freshness } from "../../../src/broker/freshness.js";
import { RateLimit } from "../../../src/broker/rate-limit.js";
import { Slots } from "../../../src/broker/slots.js";
import { TimerWheel } from "../../../src/broker/timer-wheel.js";
import type { Watched } from "../../../src/broker/timer-wheel.js";
import type { CopyStatus, Notice } from "../../../src/journal/journal.js";

class HandClock implements Clock {
  at = 0;
  #timers: { at: number; run: () => void }[] = [];

  now(): number {
    return this.at;
  }
  monotonic(): number {
    return this.at;
  }
  after(delayMs: number, run: () => void): () => void {
    const timer = { at: this.at + delayMs, run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }
  get timers(): number {
    return this.#timers.length;
  }
  advance(byMs: number): void {
    const until = this.at + byMs;
    for (;;) {
      const next = this.#timers.filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#timers = this.#timers.filter((other) => other !== next);
      this.at = next.at;
      next.run();
    }
    this.at = until;
  }
}

describe("a rate", () => {
  test("lets a burst through, then what time brings, and says how long to wait", () => {
    const clock = new HandClock();
    const rate = new RateLimit({ perSecond: 10, burst: 20 }, clock);
    expect(rate.take(20)).toBe(0);
    expect(rate.take(1)).toBe(100);
    clock.advance(100);
    expect(rate.take(1)).toBe(0);
    expect(rate.take(5)).toBe(500);
    clock.advance(60_000);
    expect(rate.take(21)).toBeGreaterThan(0);
    expect(rate.take(20)).toBe(0);
  });
});

describe("the timer wheel", () => {
  test("looks at each when it is due, on one timer for all", () => {
    const clock = new HandClock();
    const wheel = new TimerWheel(clock, 100);
    const looks: [string, number][] = [];
    const watch = (name: string, delays: number[]): Watched => ({
      slot: 0,
      look: () => {
        looks.push([name, clock.at]);
        return delays.shift();
      },
    });
    let ticks = 0;
    wheel.start(() => {
      ticks += 1;
    });
    wheel.schedule(watch("a", [250]), 100);
    wheel.schedule(watch("b", []), 1_000);
    const gone = watch("gone", []);
    wheel.schedule(gone, 200);
    wheel.remove(gone);
    const far = watch("far", [100]);
    wheel.schedule(far, 10_000);
    expect(clock.timers).toBe(1);
    clock.advance(7_000);
    // A delay beyond one round of the wheel is looked at early.
    expect(looks).toEqual([
      ["a", 100],
      ["a", 400],
      ["b", 1_000],
      ["far", 6_300],
      ["far", 6_400],
    ]);
    expect(ticks).toBe(70);
    wheel.stop();
    expect(clock.timers).toBe(0);
  });
});

describe("slots", () => {
  test("let so many work at once, the rest in line, also when one fails", async () => {
    const slots = new Slots(2);
    let working = 0;
    let most = 0;
    const order: number[] = [];
    const work = async (n: number): Promise<void> => {
      working += 1;
      most = Math.max(most, working);
      await new Promise((resolve) => setImmediate(resolve));
      working -= 1;
      order.push(n);
      if (n === 1) throw new Error("failed");
    };
    const all = await Promise.allSettled([0, 1, 2, 3, 4].map((n) => slots.use(() => work(n))));
    expect(most).toBe(2);
    expect(order).toEqual([0, 1, 2, 3, 4]);
    expect(all.filter(({ status }) => status === "rejected")).toHaveLength(1);
  });
});

describe("staleness", () => {
  const notice = (provenAt: number): Notice => ({
    log: 1,
    run: "r",
    sources: new Map([["shop", { generation: 1, position: "1", provenAt }]]),
  });

  test("begins when the last proof is too old, counted from the start at the earliest", async () => {
    const clock = new VirtualClock(1_000);
    const freshness = new Freshness(["shop", "mill"], 100, clock);
    const lookAt = async (now: number, provenAt: number) => {
      await clock.pass(now - clock.now());
      return freshness.look(notice(provenAt));
    };
    expect(await lookAt(1_100, 0)).toEqual([]);
    expect(await lookAt(1_101, 1_050)).toEqual([{ t: "stale", source: "mill", since: 0 }]);
    expect(await lookAt(1_102, 1_050)).toEqual([]);
    expect(await lookAt(1_151, 1_050)).toEqual([{ t: "stale", source: "shop", since: 1_050 }]);
    expect([...freshness.stale].map(({ source }) => source)).toEqual(["mill", "shop"]);
    expect(await lookAt(1_210, 1_200)).toEqual([{ t: "fresh", source: "shop" }]);
  });

  test.each([3_600_000, -3_600_000])("is not moved by a clock that is set by %i ms", async (ms) => {
    const clock = new VirtualClock();
    const freshness = new Freshness(["shop"], 100, clock);
    await clock.pass(1_000);
    const provenAt = clock.now();
    expect(freshness.look(notice(provenAt))).toEqual([]);
    clock.jump(ms);
    await clock.pass(100);
    expect(freshness.look(notice(provenAt))).toEqual([]);
    await clock.pass(1);
    expect(freshness.look(notice(provenAt))).toHaveLength(1);
  });
});

describe("a channel's status", () => {
  const rule = (state: CopyStatus["state"], pattern: string): CopyStatus => ({
    rule: "r",
    state,
    channels: [pattern],
    rowsDone: 3,
    rowsTotal: undefined,
  });

  test("is that of the first rule that can feed it and is not done", () => {
    const copying = [rule("rederiving", "user:*"), rule("copying", "store:*")];
    expect(statusOf(copying, "store:1")).toEqual({ state: "copying", rowsDone: 3 });
    expect(statusOf(copying, "other")).toEqual({ state: "ready" });
    expect(sameStatus({ state: "copying", rowsDone: 3 }, statusOf(copying, "store:2"))).toBe(true);
    expect(sameStatus({ state: "copying", rowsDone: 4 }, statusOf(copying, "store:2"))).toBe(false);
  });
});

test("a grant covers what one of its patterns matches, whole", () => {
  const grant = { channels: ["store:*:orders", "me"], expiresAt: undefined, subject: undefined };
  const names = ["store:1:orders", "store::orders", "store:1:orders:x", "me", "me2", "xme"];
  expect(names.map((name) => covers(grant, name))).toEqual([true, true, false, true, false, false]);
});
