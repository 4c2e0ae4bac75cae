/** A WebSocket whose frames the page can show, and which it can kill. */
export interface SeenFrame {
  readonly isSent: boolean;
  readonly kind: string;
  readonly what: string;
}

type Frame = Readonly<Record<string, unknown>>;

const open = new Set<WebSocket>();
let told: (frame: SeenFrame) => void = () => undefined;

export function watchFrames(listener: (frame: SeenFrame) => void): void {
  told = listener;
}

/** As a network that goes away: the client hears of a close that nobody asked for. */
export function killConnections(): void {
  for (const socket of open) socket.close(3000, "killed by the page");
}

export class SpySocket extends WebSocket {
  constructor(url: string, protocol: string) {
    super(url, protocol);
    open.add(this);
    this.addEventListener("close", ({ code }) => {
      open.delete(this);
      told({ isSent: false, kind: "closed", what: `code ${code}` });
    });
    this.addEventListener("message", ({ data }) => {
      if (typeof data === "string") show(data, false);
    });
  }

  override send(text: string): void {
    show(text, true);
    super.send(text);
  }
}

function show(message: string, isSent: boolean): void {
  for (const line of message.split("\n")) {
    if (line === "") continue;
    const frame = JSON.parse(line) as Frame;
    const kind = String(frame["t"]);
    if (kind === "heartbeat" || kind === "ping" || kind === "pong") continue;
    told({ isSent, kind, what: summary(kind, frame) });
  }
}

function summary(kind: string, frame: Frame): string {
  switch (kind) {
    case "hello":
      return `protocol ${text(frame["v"])}`;
    case "welcome":
      return `session ${text(frame["session"])}, run ${text(frame["run"])}`;
    case "attach":
      return list(frame["channels"]).map(attachText).join(", ");
    case "attached":
      return list(frame["channels"])
        .map(({ channel, how, after }) => `${text(channel)} ${text(how)} after ${text(after)}`)
        .join(", ");
    case "schema":
      return `${text(frame["table"])} version ${text(frame["version"])}`;
    case "changes":
      return changesText(frame);
    case "page":
      return `${text(frame["channel"])} serials to ${text(frame["to"])}`;
    case "commit":
      return commitText(frame);
    case "until":
      return `${text(frame["source"])} at ${text(frame["position"])}`;
    default:
      return text(frame["channel"] ?? frame["source"] ?? frame["code"] ?? "");
  }
}

function attachText({ channel, from }: Frame): string {
  if (typeof from !== "object" || from === null) return `${text(channel)} from ${text(from)}`;
  return `${text(channel)} from serial ${text((from as Frame)["serial"])}`;
}

function changesText(frame: Frame): string {
  const entries = frame["entries"] as readonly (readonly unknown[])[];
  const serials = entries.map(([serial]) => Number(serial));
  const [first, last] = [serials[0], serials[serials.length - 1]];
  const span = first === last ? `serial ${text(first)}` : `serials ${text(first)}–${text(last)}`;
  const ops = [...new Set(entries.map((entry) => entry[3]))].join("");
  return `${text(frame["channel"])} ${text(frame["table"])} ${span} (${ops})`;
}

function commitText(frame: Frame): string {
  const moved = frame["moved"] as readonly (readonly unknown[])[];
  const where = moved.map(([channel, , , to]) => `${text(channel)} → ${text(to)}`).join(", ");
  return `log ${text(frame["at"])}${where === "" ? "" : `: ${where}`}`;
}

function list(value: unknown): readonly Frame[] {
  return Array.isArray(value) ? (value as readonly Frame[]) : [];
}

function text(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
