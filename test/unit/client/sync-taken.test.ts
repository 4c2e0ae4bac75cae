/**
 * A sync that waits to try again after a failure, while another instance opens its store: it must not touch
 * what the other has staged, and ends for good, as with every write to a store that was taken.
 */
import { expect, it } from "vitest";
import { AppError } from "../../../src/base/errors.js";
import { changecast } from "../../../src/client/client.js";
import type { Store } from "../../../src/client/stores/store.js";
import { openPhotostructure, sqliteSubject } from "../../contract/sqlite-subject.js";
import { products } from "../../contract/store-tables.js";
import { batch, step, unit } from "../../contract/store-units.js";
import { ScriptedServer } from "../../support/scripted-server.js";
import { settled, VirtualClock } from "../../support/virtual-clock.js";

it("forgets nothing that the next owner has staged, says that it was taken, and rests", async () => {
  const clock = new VirtualClock();
  const server = new ScriptedServer();
  const subject = await sqliteSubject(openPhotostructure);
  const { store } = subject;
  const failing: Store = {
    open: () => store.open(),
    check: (schema) => store.check(schema),
    apply: () => Promise.reject(new AppError("CLIENT_STORE_FAILED", "disk full")),
    stage: (batches) => store.stage(batches),
    unstage: (channels) => store.unstage(channels),
    detach: (channels) => store.detach(channels),
    watch: (tables, listener) => store.watch(tables, listener),
    close: () => store.close(),
  };
  const cast = changecast({ url: "ws://test/v1", WebSocket: server.WebSocket, clock });
  const sync = cast.sync(failing, ["a"]);
  await settled();
  server.socket.welcome();
  await settled();
  server.socket.accept();
  server.socket.say({ t: "commit", at: 1, run: "r1", moved: [["a", 1, 0, 1]], ready: ["a"] });
  await settled();
  expect(sync.status.trouble).toMatchObject({ code: "CLIENT_STORE_FAILED" });

  const next = subject.again();
  await next.open();
  await next.stage([batch("a", products, [1, 1, 0, "i", 1, "tea"])]);
  await clock.pass(60_000);
  expect(sync.status.trouble).toMatchObject({ code: "CLIENT_STORE_TAKEN" });
  const asked = server.sockets.flatMap((socket) => socket.all("attach")).length;
  await clock.pass(600_000);
  expect(server.sockets.flatMap((socket) => socket.all("attach"))).toHaveLength(asked);

  await next.apply(unit(2, [step("a", 2, { staged: true })]));
  expect(await subject.rows(products)).toEqual([{ id: 1, name: "tea" }]);
  await cast.close();
  expect(clock.timers).toBe(0);
  await subject.close();
});
