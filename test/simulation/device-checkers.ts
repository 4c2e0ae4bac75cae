/** What must hold on devices: I4, I6, I8 of their stores, and that they end where the tables are. */
import type { Place } from "../../src/model/place.js";
import type { CommitFrame, ServerFrame } from "../../src/protocol/frames.js";
import type { MakeChecker, Scene } from "./checkers.js";
import type { Device } from "./device.js";
import { together } from "./journal-model.js";
import type { JournalModel, ModelRows } from "./journal-model.js";
import type { Connection } from "./network.js";
import { DEEDS, SOURCE, stateChannels } from "./shop.js";

/** What a device was told last on its connection. */
class Heard {
  readonly #model: JournalModel;
  /** By connection and log number: what a commit spoke of, which a restored journal may not have any more. */
  readonly #names = new WeakMap<Connection, Map<number, number | undefined>>();
  readonly #ready = new WeakMap<Connection, Set<string>>();
  readonly #last = new WeakMap<object, { connection: Connection; at: number }>();

  constructor(model: JournalModel) {
    this.#model = model;
  }

  sent(connection: Connection, frame: ServerFrame): void {
    if (frame.t !== "commit") return;
    const names = this.#names.get(connection) ?? new Map<number, number | undefined>();
    this.#names.set(connection, names.set(frame.at, this.#model.nameOf(frame.at)));
  }

  frame(connection: Connection, frame: ServerFrame): void {
    const ready = this.#ready.get(connection) ?? new Set<string>();
    this.#ready.set(connection, ready);
    if (frame.t === "commit") this.#commit(connection, frame, ready);
    else if (frame.t === "detached") for (const name of frame.channels) ready.delete(name);
  }

  /** A device that asks for channels is not told about them as of now. */
  asked(connection: Connection, channels: Iterable<string>): void {
    for (const name of channels) this.#ready.get(connection)?.delete(name);
  }

  /** The log number at which all of the device's channels stand, if there is nothing that it still has to apply. */
  wholeAt(device: Device, at: number): boolean {
    const last = this.#last.get(device);
    if (last?.at !== at) return false;
    if (this.#names.get(last.connection)?.get(at) !== this.#model.nameOf(at)) return false;
    const ready = this.#ready.get(last.connection);
    return (
      device.channels.size === device.kept.size &&
      [...device.kept.values()].every((kept) => kept.ready && ready?.has(kept.channel) === true)
    );
  }

  #commit(connection: Connection, frame: CommitFrame, ready: Set<string>): void {
    for (const name of frame.ready ?? []) ready.add(name);
    this.#last.set(connection.owner, { connection, at: frame.at });
  }
}

/** I4: what a device shows after a commit is one log number of all its channels. */
export const showsWholeUnits: MakeChecker = (scene, violated) => {
  const heard = new Heard(scene.model);
  return {
    ...listening(heard),
    applied: (device, unit) => {
      if (!heard.wholeAt(device, unit.at) || !scene.model.isWhole(unit.at)) return;
      const wrong = difference(device, expectedAt(scene, device, unit.at));
      if (wrong !== undefined) violated(`${device.name} at log ${unit.at}: ${wrong}`);
    },
  };
};

/** I8: no device shows a row that none of its channels holds. */
export const showsNoStrayRows: MakeChecker = (scene, violated) => {
  const heard = new Heard(scene.model);
  return {
    ...listening(heard),
    applied: (device, unit) => {
      if (!heard.wholeAt(device, unit.at)) return;
      const due = expectedAt(scene, device, unit.at);
      for (const [key] of shown(device)) {
        if (!due.has(key)) violated(`${device.name} at log ${unit.at} still shows ${key}`);
      }
    },
  };
};

function listening(heard: Heard): ReturnType<MakeChecker> {
  return {
    sent: (connection, frame) => {
      heard.sent(connection, frame);
    },
    heard: (connection, frame) => {
      heard.frame(connection, frame);
    },
    said: (connection, frame) => {
      if (frame.t === "attach") {
        heard.asked(
          connection,
          frame.channels.map(({ channel }) => channel),
        );
      } else if (frame.t === "detach") heard.asked(connection, frame.channels);
    },
  };
}

/** I6: a device that is started again finds rows and places of one moment. */
export const reopensConsistent: MakeChecker = (scene, violated) => {
  const runs = new WeakMap<Connection, string>();
  /** Rows of a channel by the place that a device may keep, as they were when it was sent. */
  const rows = new Map<string, ModelRows>();
  const keep = (connection: Connection, channel: string, at: readonly [number, number]): void => {
    const [serial, log] = at;
    const held = scene.model.isWhole(log) ? scene.model.bySerial(channel, serial) : undefined;
    const key = placeKey(channel, { serial, log, run: runs.get(connection) ?? "" });
    if (held === undefined) rows.delete(key);
    else rows.set(key, held);
  };
  return {
    sent: (connection, frame) => {
      if (frame.t === "welcome") runs.set(connection, frame.run);
      if (frame.t !== "commit") return;
      if (frame.run !== undefined) runs.set(connection, frame.run);
      for (const [channel, , , to] of frame.moved) keep(connection, channel, [to, frame.at]);
      for (const channel of frame.ready ?? []) {
        keep(connection, channel, [scene.model.at(channel, frame.at).serial, frame.at]);
      }
    },
    reopened: (device, kept) => {
      const found = new Map(kept.map((channel) => [channel.channel, JSON.stringify(channel)]));
      const known = new Map([...device.kept].map(([name, held]) => [name, JSON.stringify(held)]));
      if (told(found) !== told(known)) {
        violated(`${device.name} finds the places ${told(found)}, kept were ${told(known)}`);
      }
      const parts = kept
        .filter(({ channel }) => channel !== DEEDS)
        .map(({ channel, place, ready }) =>
          ready ? rows.get(placeKey(channel, place)) : undefined,
        );
      if (parts.includes(undefined)) return;
      const wrong = difference(device, together(parts.filter((part) => part !== undefined)));
      if (wrong !== undefined) violated(`${device.name} after its restart: ${wrong}`);
    },
  };
};

function placeKey(channel: string, place: Pick<Place, "serial" | "log" | "run">): string {
  return `${channel} ${place.serial} ${place.log} ${place.run}`;
}

function told(places: ReadonlyMap<string, string>): string {
  return [...places.values()].sort().join();
}

/** The end of every run: devices hold what the rules say of the tables, and every deed or its gap. */
export const endsEqual: MakeChecker = ({ disk, shop, model }, violated) => {
  const gaps = new Map<Device, Set<number>>();
  return {
    gap: (device, { channel, from, to }) => {
      if (channel !== DEEDS) return;
      const known = gaps.get(device) ?? new Set<number>();
      gaps.set(device, known);
      for (let serial = from + 1; serial <= to; serial += 1) known.add(serial);
    },
    settled: (devices, set) => {
      const held = disk.positions.get(SOURCE);
      const at = { history: shop.source.history, position: shop.source.head };
      if (held?.memo !== at.history || held.position !== at.position) {
        violated(`the disk stands at ${JSON.stringify(held)}, the tables at ${at.position}`);
      }
      for (const device of devices) {
        const channels = stateChannels.filter((channel) => device.channels.has(channel));
        const due = new Set(
          channels.flatMap((channel) => [...(shop.expected(channel, at, set) ?? [])]),
        );
        const found = [...shown(device).values()].sort();
        if (found.join("|") === [...due].sort().join("|")) continue;
        violated(
          `${device.name} ends with ${found.join("|")} instead of ${[...due].sort().join("|")}`,
        );
      }
      for (const device of devices) {
        if (!device.channels.has(DEEDS)) continue;
        const serials = device.store.rows("told").map((row) => Number(row["serial"]));
        const known = new Set(serials);
        const first = Math.max(1, Math.min(...known, model.at(DEEDS, model.log).serial));
        for (let serial = first; serial <= model.at(DEEDS, model.log).serial; serial += 1) {
          if (known.has(serial) || gaps.get(device)?.has(serial) === true) continue;
          violated(`${device.name} lacks deed ${serial} and was told of no gap`);
        }
      }
    },
  };
};

function expectedAt({ model }: Scene, device: Device, log: number): ReturnType<typeof together> {
  const channels = [...device.kept.keys()].filter((channel) => channel !== DEEDS);
  return together(channels.map((channel) => model.at(channel, log).rows));
}

/** Rows of the device by table and key, as the journal would write them. */
function shown(device: Device): Map<string, string> {
  const rows = new Map<string, string>();
  for (const row of device.store.rows("items")) {
    const values = Object.values(row).map((value) => JSON.stringify(value));
    rows.set(`items ${values[0] ?? ""}`, `items ${values.join(",")}`);
  }
  return rows;
}

function difference(device: Device, due: ReturnType<typeof together>): string | undefined {
  const rows = shown(device);
  for (const [key, { text }] of due) {
    if (rows.get(key) !== text) return `${rows.get(key) ?? `no ${key}`} instead of ${text}`;
  }
  for (const [key, text] of rows) if (!due.has(key)) return `${text} is too much`;
  return undefined;
}
