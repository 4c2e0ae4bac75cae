/** A client of the bench latency: notes how long after its commit's statement each row came to the app's callback. */
import { WebSocket } from "ws";
import { changecast } from "../../../src/client/client.js";
import { subscribe } from "../../../src/client/subscription.js";
import { answerParent } from "./far-process.js";
import { Spread } from "./spread.js";
import { WallClock } from "./wall-clock.js";

const clock = new WallClock();
let spread = new Spread();

answerParent({
  open: async ({ url, channel }: { url: string; channel: string }) => {
    const cast = changecast({ url, WebSocket });
    const subscription = subscribe(cast, [channel], ({ entries }) => {
      const now = clock.ms();
      for (const { values } of entries) spread.add(now - Number(values["at"]) / 1_000);
    });
    await subscription.ready();
  },
  watch: () => {
    clock.set();
    spread = new Spread();
  },
  latencies: () => spread.counts,
});
