/** What must hold of every session, by the frames that go over it: I3, I5, of I4, and I7 of the journal. */
import type { MakeChecker, Scene } from "./checkers.js";
import type { AttachedFrame, ServerFrame } from "../../src/protocol/frames.js";
import type { Place } from "../../src/model/place.js";
import { contentsOf } from "./journal-model.js";
import type { Connection } from "./network.js";

/** I3: no session is told an entry, or a log number, that the disk does not have. */
export const tellsDurable: MakeChecker = ({ disk }, violated) => ({
  sent: (_connection, frame) => {
    if (frame.t === "commit" && frame.at > disk.log) {
      violated(`commit at ${frame.at}, the disk ends at ${disk.log}`);
    } else if (frame.t === "page" && frame.log > disk.log) {
      violated(`a page of log ${frame.log}, the disk ends at ${disk.log}`);
    } else if (frame.t === "changes") {
      const kept = disk.channels.get(frame.channel)?.entries ?? [];
      const first = kept[0]?.entry.serial ?? 1;
      for (const [serial, delta] of frame.entries) {
        // Trimmed meanwhile: it was there.
        if (serial < first) continue;
        const log = frame.base + delta;
        const entry = kept[serial - first]?.entry;
        if (entry?.serial !== serial || entry.log !== log) {
          violated(`${frame.channel} ${serial} of log ${log} is not on the disk`);
        }
      }
    }
  },
});

/** One channel of a session, as its frames say. */
interface Told {
  epoch: number;
  serial: number;
  isReady: boolean;
  entries: number[];
}

/** What each session was told, kept up with its frames. */
class Sessions {
  readonly #channels = new WeakMap<Connection, Map<string, Told>>();

  of(connection: Connection): Map<string, Told> {
    const known = this.#channels.get(connection);
    if (known !== undefined) return known;
    const made = new Map<string, Told>();
    this.#channels.set(connection, made);
    return made;
  }

  attached(connection: Connection, frame: AttachedFrame): void {
    const channels = this.of(connection);
    for (const { channel, epoch, after } of frame.channels) {
      const isReady = channels.get(channel)?.isReady === true;
      channels.set(channel, { epoch, serial: after, isReady, entries: [] });
    }
  }

  /** The session lets channels go, or asks for them anew. */
  forget(connection: Connection, channels: readonly string[]): void {
    for (const channel of channels) this.of(connection).delete(channel);
  }
}

/** I5: serials of a channel have no holes, on the disk and in what a session is told. */
export const serialsHaveNoHoles: MakeChecker = ({ disk }, violated) => {
  const sessions = new Sessions();
  const moved = (
    connection: Connection,
    [channel, epoch, from, to]: readonly [string, number, number, number],
  ): void => {
    const told = sessions.of(connection).get(channel);
    // Frames of a request that the session has replaced already.
    if (told === undefined) return;
    const isNext = told.serial === from && (told.epoch === epoch || told.epoch === 0);
    if (!isNext) {
      violated(`${channel} goes on from ${epoch}/${from}, told was ${told.epoch}/${told.serial}`);
    }
    let last = from;
    for (const serial of told.entries) {
      if (serial <= last || serial > to) violated(`${channel} ${from}–${to} has entry ${serial}`);
      last = serial;
    }
    Object.assign(told, { epoch, serial: to, entries: [] });
  };
  return {
    durable: (append) => {
      for (const [name, { from, to }] of append.unit?.channels ?? []) {
        const { entries } = contentsOf(append, name);
        const kept = disk.channels.get(name)?.entries ?? [];
        const before = kept[kept.length - entries.length - 1]?.entry.serial ?? from;
        const isWhole = entries.every(({ serial }, at) => serial === from + 1 + at);
        if (before !== from || !isWhole || to !== from + entries.length) {
          violated(`${name} goes from ${before} by ${from}–${to} with ${entries.length} entries`);
        }
      }
    },
    said: (connection, frame) => {
      if (frame.t === "detach") sessions.forget(connection, frame.channels);
    },
    sent: (connection, frame) => {
      if (frame.t === "attached") sessions.attached(connection, frame);
      else if (frame.t === "detached") sessions.forget(connection, frame.channels);
      else if (frame.t === "changes") {
        const told = sessions.of(connection).get(frame.channel);
        for (const [serial] of frame.entries) told?.entries.push(serial);
      } else if (frame.t === "page") {
        moved(connection, [frame.channel, frame.epoch, frame.from, frame.to]);
      } else if (frame.t === "commit") for (const move of frame.moved) moved(connection, move);
    },
  };
};

/** Of I4: at a commit every ready channel of the session stands where the journal's unit left it. */
export const commitsSpeakForAll: MakeChecker = ({ model }, violated) => {
  const sessions = new Sessions();
  return {
    said: (connection, frame) => {
      if (frame.t === "detach") sessions.forget(connection, frame.channels);
      if (frame.t !== "attach") return;
      sessions.forget(
        connection,
        frame.channels.map(({ channel }) => channel),
      );
    },
    sent: (connection, frame) => {
      if (frame.t === "attached") sessions.attached(connection, frame);
      // It may cross with what was said of the channels before.
      if (frame.t === "detached") sessions.forget(connection, frame.channels);
      const channels = sessions.of(connection);
      if (frame.t === "page") {
        const told = channels.get(frame.channel);
        if (told !== undefined) told.serial = frame.to;
      }
      if (frame.t !== "commit") return;
      for (const [channel, , , to] of frame.moved) {
        const told = channels.get(channel);
        if (told !== undefined) told.serial = to;
      }
      for (const channel of frame.ready ?? []) {
        const told = channels.get(channel);
        if (told !== undefined) told.isReady = true;
      }
      for (const [channel, { serial, isReady }] of channels) {
        const due = model.at(channel, frame.at).serial;
        if (isReady && serial !== due) {
          violated(`commit at ${frame.at} leaves ${channel} at ${serial} instead of ${due}`);
        }
      }
    },
  };
};

/** I7, of the journal: who holds a place of a lost part is told to let go of what it holds. */
export const tellsLostJournal: MakeChecker = ({ model }: Scene, violated) => {
  const runs = new WeakMap<Connection, string>();
  /** What a run said under a log number, by the name of the unit. */
  const names = new Map<string, number | undefined>();
  const lost = new WeakMap<Connection, Map<string, string>>();
  const name = (connection: Connection, log: number): void => {
    const key = `${runs.get(connection) ?? ""} ${log}`;
    if (!names.has(key)) names.set(key, model.nameOf(log));
  };
  const isLost = ({ run, log, serial }: Place): boolean => {
    const key = `${run} ${log}`;
    return serial > 0 && names.has(key) && names.get(key) !== model.nameOf(log);
  };
  return {
    said: (connection, frame) => {
      if (frame.t !== "attach") return;
      for (const { channel, from } of frame.channels) {
        if (typeof from !== "object" || !("run" in from)) continue;
        const held = lost.get(connection) ?? new Map<string, string>();
        lost.set(connection, held);
        if (isLost(from)) held.set(`${frame.id} ${channel}`, `${from.log} of run ${from.run}`);
      }
    },
    sent: (connection, frame: ServerFrame) => {
      if (frame.t === "welcome") runs.set(connection, frame.run);
      else if (frame.t === "commit") {
        if (frame.run !== undefined) runs.set(connection, frame.run);
        name(connection, frame.at);
      } else if (frame.t === "page") name(connection, frame.log);
      else if (frame.t === "attached") {
        for (const { channel, how } of frame.channels) {
          const place = lost.get(connection)?.get(`${frame.id} ${channel}`);
          if (place === undefined || how === "snapshot" || how === "gap") continue;
          violated(`${channel} goes on (${how}) from ${place}, which is lost`);
        }
      }
    },
  };
};
