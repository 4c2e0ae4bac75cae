/** What the broker asks for, from the configuration's words. */
import { must } from "../base/assert.js";
import type { AuthOptions, JwtOptions } from "../broker/auth/authenticator.js";
import type { ParsePosition } from "../broker/broker-context.js";
import type { AuthConfig, Config, JwtConfig } from "../config/config.js";

/** Undefined: everybody of this machine is let in. */
export function authOptions(auth: AuthConfig | undefined): { readonly auth?: AuthOptions } {
  if (auth === undefined) return {};
  const keys = auth.keys.map(({ key, channels }) => ({ key: key.reveal(), channels }));
  return { auth: { keys, ...(auth.jwt === undefined ? {} : { jwt: jwtOptions(auth.jwt) }) } };
}

/** A position as the users of a source write it, by the source's own connector. */
export function positionParser(sources: Config["sources"]): ParsePosition {
  return (source, text) => {
    const { connector } = must(sources.get(source), `source ${source}`);
    const position = connector.parsePosition(text);
    if (position === undefined) throw new RangeError(`it is no position of ${source}`);
    return position;
  };
}

function jwtOptions({ secret, issuer, audience, channelsClaim }: JwtConfig): JwtOptions {
  return {
    secret: secret.reveal(),
    claim: channelsClaim,
    ...(issuer === undefined ? {} : { issuer }),
    ...(audience === undefined ? {} : { audience }),
  };
}
