/** What an app asks of a sync while its store is still being opened. */
import { expect, it } from "vitest";
import { changecast } from "../../../src/client/client.js";
import { memoryStore } from "../../../src/client/stores/memory-store.js";
import type { Store } from "../../../src/client/stores/store.js";
import { ScriptedServer } from "../../support/scripted-server.js";
import { settled, VirtualClock } from "../../support/virtual-clock.js";

it("follows a channel that is attached while what was held of it still leaves", async () => {
  const clock = new VirtualClock();
  const server = new ScriptedServer();
  const held = memoryStore();
  const place = { epoch: 1, serial: 1, log: 1, run: "r1" };
  const channels = ["a", "b"].map((channel) => ({ channel, place, ready: true }));
  await held.open();
  await held.apply({ at: 1, schemas: [], batches: [], channels });
  let go: () => void = () => undefined;
  const slow: Store = {
    open: () => held.open(),
    check: (schema) => held.check(schema),
    apply: (unit) => held.apply(unit),
    stage: (batches) => held.stage(batches),
    unstage: (names) => held.unstage(names),
    detach: async (names) => {
      await new Promise<void>((resolve) => (go = resolve));
      return held.detach(names);
    },
    watch: (tables, listener) => held.watch(tables, listener),
    close: () => held.close(),
  };
  const cast = changecast({ url: "ws://test/v1", WebSocket: server.WebSocket, clock });
  const sync = cast.sync(slow, ["a"]);
  await settled();
  sync.attach(["b"]);
  go();
  await settled();
  expect([...sync.status.channels.keys()]).toEqual(["a", "b"]);
  server.socket.welcome();
  await settled();
  expect(server.socket.all("attach").flatMap((frame) => frame.channels)).toEqual([
    { channel: "a", from: place },
    { channel: "b", from: "start", loading: true },
  ]);
  await cast.close();
});
