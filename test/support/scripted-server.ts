/**
 * A WebSocket class whose other end is the test: sees what the client sends, says whatever a server might
 * say, lies included. No network.
 */
import { parseClientMessage } from "../../src/protocol/codec.js";
import type { AttachedFrame, AttachFrame, ClientFrame } from "../../src/protocol/frames.js";

type Listener = (event: { data?: unknown; code?: number }) => void;

export class ScriptedSocket {
  readonly url: string;
  readonly protocol: string;
  readonly sent: ClientFrame[] = [];
  closedWith: number | undefined;
  readonly #listeners = new Map<string, Listener[]>();

  constructor(url: string, protocol: string) {
    this.url = url;
    this.protocol = protocol;
  }

  addEventListener(name: string, listener: Listener): void {
    this.#listeners.set(name, [...(this.#listeners.get(name) ?? []), listener]);
  }

  /** Parsed as strictly as a server does. */
  send(text: string): void {
    this.sent.push(...parseClientMessage(text));
  }

  close(code?: number): void {
    this.closedWith ??= code ?? 1005;
  }

  open(): void {
    this.#tell("open", {});
  }

  say(...frames: object[]): void {
    this.raw(frames.map((frame) => JSON.stringify(frame)).join("\n"));
  }

  raw(data: unknown): void {
    this.#tell("message", { data });
  }

  shut(code: number): void {
    this.closedWith ??= code;
    this.#tell("close", { code });
  }

  last<T extends ClientFrame["t"]>(t: T): Extract<ClientFrame, { t: T }> | undefined {
    return this.all(t).at(-1);
  }

  all<T extends ClientFrame["t"]>(t: T): Extract<ClientFrame, { t: T }>[] {
    return this.sent.filter((frame): frame is Extract<ClientFrame, { t: T }> => frame.t === t);
  }

  welcome(more: object = {}): void {
    this.open();
    const limits = {
      frameBytesMax: 65_536,
      channelsMax: 1_000,
      attachChannelsMax: 500,
      historyLimitMax: 1_000,
    };
    this.say({ t: "welcome", v: 1, session: "s", run: "r1", heartbeatMs: 10_000, limits, ...more });
  }

  /** Accepts the newest attach: each channel as the test says, by default as new and empty. */
  accept(how: Partial<AttachedFrame["channels"][number]> = {}): AttachFrame {
    const attach = this.last("attach");
    if (attach === undefined) throw new Error("nothing was attached");
    const channels = attach.channels.map(({ channel }) => ({
      channel,
      epoch: 1,
      how: "snapshot",
      after: 0,
      status: { state: "ready" },
      ...how,
    }));
    this.say({ t: "attached", id: attach.id, channels });
    return attach;
  }

  #tell(name: string, event: Parameters<Listener>[0]): void {
    for (const listener of this.#listeners.get(name) ?? []) listener(event);
  }
}

/** All sockets that the client under test opened. */
export class ScriptedServer {
  readonly sockets: ScriptedSocket[] = [];
  readonly WebSocket: new (url: string, protocol: string) => ScriptedSocket;

  constructor() {
    const { sockets } = this;
    this.WebSocket = class extends ScriptedSocket {
      constructor(url: string, protocol: string) {
        super(url, protocol);
        sockets.push(this);
      }
    };
  }

  get socket(): ScriptedSocket {
    const socket = this.sockets.at(-1);
    if (socket === undefined) throw new Error("the client opened no socket");
    return socket;
  }
}
