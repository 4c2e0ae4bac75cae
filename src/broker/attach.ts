/** Tells a client what follows for channels that it attached, or that must begin again (rules 8 to 11). */
import type { AttachedChannel } from "../protocol/frames.js";
import { errorFrame } from "./error-frame.js";
import { decideAttach, restart } from "./attach-decision.js";
import type { AttachDecision } from "./attach-decision.js";
import type { Attachment } from "./attachment.js";
import type { BrokerContext } from "./broker-context.js";
import { statusOf } from "./channel-status.js";
import type { Session } from "./session.js";

/** Heads that are asked for at once. */
const HEADS_AT_ONCE = 64;

/** Decides every attachment that is new, and answers its request. */
export async function decideNew(session: Session, context: BrokerContext): Promise<void> {
  const fresh = [...session.attachments.values()].filter(({ stage }) => stage === "new");
  if (fresh.length === 0) return;
  const answers = new Map<number, { told: AttachedChannel[]; refused: string[] }>();
  for (let at = 0; at < fresh.length; at += HEADS_AT_ONCE) {
    const some = fresh.slice(at, at + HEADS_AT_ONCE);
    const heads = await Promise.all(some.map(({ channel }) => context.shared.head(channel.name)));
    for (const [index, attachment] of some.entries()) {
      if (!isCurrent(attachment)) continue;
      const answer = answers.get(attachment.request) ?? { told: [], refused: [] };
      answers.set(attachment.request, answer);
      const { from } = attachment;
      const accepted = typeof from === "object" && "run" in from && context.reader.accepts(from);
      const decision = decideAttach(from, heads[index], accepted);
      if (decision === undefined) {
        session.detach(attachment);
        answer.refused.push(attachment.channel.name);
      } else answer.told.push(begin(attachment, decision, context));
    }
  }
  for (const [id, { told, refused }] of answers) {
    const code = "BROKER_CHANNEL_KIND";
    const message = "attach: now and last are for channels of kind events";
    if (refused.length > 0) session.sendFrame(errorFrame({ code, message, id, channels: refused }));
    if (told.length > 0) session.sendFrame({ t: "attached", id, channels: told });
  }
}

/** Begins channels again whose serial fell below the floor or whose epoch ended. */
export async function restartAll(
  fallen: readonly Attachment[],
  context: BrokerContext,
): Promise<void> {
  // What was read before the floor rose would lead below it again.
  if (fallen.length > 0) context.shared.forget();
  for (const attachment of fallen) {
    const head = await context.reader.head(attachment.channel.name);
    if (!isCurrent(attachment)) continue;
    const decision = restart(head?.kind ?? "state", head?.epoch ?? 0, head?.floor ?? 0);
    const told = begin(attachment, decision, context);
    attachment.session.sendFrame({ t: "attached", id: attachment.request, channels: [told] });
  }
}

function begin(
  attachment: Attachment,
  decision: AttachDecision,
  context: BrokerContext,
): AttachedChannel {
  const { name } = attachment.channel;
  attachment.begin(decision);
  attachment.status = statusOf(context.reader.copying, name);
  context.metrics.attached(decision.how);
  const { epoch, how, after } = decision;
  return { channel: name, epoch, how, after, status: attachment.status };
}

function isCurrent(attachment: Attachment): boolean {
  return attachment.session.attachments.get(attachment.channel.name) === attachment;
}
