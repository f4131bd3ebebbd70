import type { Instruction } from "./types.js";

/** A document was not signed by the platform, was changed, is too old, or is of another kind. */
export class DocumentError extends Error {
  override readonly name = "DocumentError";
}

/**
 * What the wallet gives back to your app: what the payment was when the payer went back. It came over the payer's phone
 * and decides nothing: whether it is paid, ask the API.
 */
export type AppResult = {
  jti: string;
  sub: string;
  merchant_id: string;
  app: string;
  state: string;
  amount: number;
  currency: string;
  iat: number;
  exp: number;
};

/** A JWK set, as the platform publishes it. */
export type KeySet = { keys: readonly { kty: string; crv: string; x: string; kid: string }[] };

const documentMax = 8192;

/** The public keys with which a platform signs documents (JWS with Ed25519, RFC 7515 and RFC 8037). */
export class PlatformKeys {
  readonly #keys = new Map<string, Promise<CryptoKey>>();

  constructor(set: KeySet) {
    for (const key of set.keys) {
      if (key.kty !== "OKP" || key.crv !== "Ed25519") continue;
      const jwk = { kty: key.kty, crv: key.crv, x: key.x };
      this.#keys.set(key.kid, crypto.subtle.importKey("jwk", jwk, "Ed25519", false, ["verify"]));
    }
  }

  /** Checks a result, or the whole address with which your app was opened. Errors: DocumentError. */
  async verifyAppResult(text: string, now: () => number = Date.now): Promise<AppResult> {
    const document = URL.canParse(text) ? (new URL(text).searchParams.get("feiqian_result") ?? "") : text;
    const result = (await this.#verify("feiqian-app-result+jwt", document)) as AppResult;
    if (typeof result.exp !== "number" || result.exp * 1000 <= now())
      throw new DocumentError("it is too old");
    return result;
  }

  /** Checks one half of a payment instruction, of whichever party. Errors: DocumentError. */
  async verifyInstruction(half: Instruction): Promise<void> {
    const said = (await this.#verify("feiqian-instruction+jwt", half.link)) as { sub: string; hash: string };
    const salt = decode(half.salt);
    const other = decode(half.other_hash);
    if (salt.length !== 16 || other.length !== 32) throw new DocumentError("a part is missing");
    const own = await sha256(bytes(half.half), Uint8Array.of(0), salt, bytes(half.text));
    const both = half.half === "order" ? [own, other] : [other, own];
    const sum = await sha256(bytes("feiqian-instruction/1"), Uint8Array.of(0), ...both);
    if (said.sub !== half.payment_id || encode(sum) !== said.hash) {
      throw new DocumentError("the halves do not belong together");
    }
  }

  async #verify(kind: string, document: string): Promise<unknown> {
    const [head, body, end, ...more] = document.split(".");
    if (head === undefined || body === undefined || end === undefined || more.length > 0) {
      throw new DocumentError("this is no signed document");
    }
    if (document.length > documentMax) throw new DocumentError("it is too long");
    const header = read(head) as { alg?: unknown; kid?: unknown; typ?: unknown };
    const key = this.#keys.get(String(header.kid));
    if (header.alg !== "EdDSA" || header.typ !== kind || key === undefined) {
      throw new DocumentError("it is of another kind, or of another platform");
    }
    const genuine = await crypto.subtle.verify("Ed25519", await key, decode(end), bytes(`${head}.${body}`));
    if (!genuine) throw new DocumentError("the signature does not match");
    return read(body);
  }
}

function read(part: string): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(decode(part)));
  } catch {
    throw new DocumentError("this is no signed document");
  }
}

function bytes(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

/** Reads base64url without padding, and nothing else. */
function decode(text: string): Uint8Array<ArrayBuffer> {
  if (!/^[A-Za-z0-9_-]*$/.test(text) || text.length % 4 === 1) {
    throw new DocumentError("this is no signed document");
  }
  const raw = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(raw, (letter) => letter.charCodeAt(0));
}

function encode(raw: Uint8Array): string {
  return btoa(String.fromCharCode(...raw))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
}

async function sha256(...parts: Uint8Array[]): Promise<Uint8Array> {
  const all = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return new Uint8Array(await crypto.subtle.digest("SHA-256", all));
}
