import { isTemporary } from "./errors.js";
import { PaymentLinks, QRCodes, SplitRules, WebhookEndpoints } from "./house.js";
import { Part } from "./part.js";
import { PlatformKeys } from "./document.js";
import { segment, sleep, Transport, type CallOptions, type Options, type Query } from "./transport.js";
import type * as api from "./types.js";

/**
 * Calls one Feiqian instance as one merchant, from a server.
 *
 *     const feiqian = new Feiqian(process.env.FEIQIAN_KEY, { baseUrl: "https://pay.example.com" });
 *     const payment = await feiqian.payments.create({ amount: 1999, currency: "CNY", reference: "order-1001" });
 *
 * Amounts are whole minor units. Every act carries an idempotency key and is sent again with the same key when the answer
 * is lost or the server asks for patience. A decline is no error but a payment in the state "declined".
 */
export class Feiqian {
  readonly payments: Payments;
  readonly checkouts: Checkouts;
  readonly refunds: Refunds;
  readonly disputes: Disputes;
  readonly events: Events;
  readonly balance: Balance;
  readonly receipts: Receipts;
  readonly paymentLinks: PaymentLinks;
  readonly qrCodes: QRCodes;
  readonly splitRules: SplitRules;
  readonly webhookEndpoints: WebhookEndpoints;
  readonly signatures: Signatures;
  readonly #transport: Transport;

  constructor(key: string, options: Options = {}) {
    this.#transport = new Transport(key, options);
    this.payments = new Payments(this.#transport);
    this.checkouts = new Checkouts(this.#transport);
    this.refunds = new Refunds(this.#transport);
    this.disputes = new Disputes(this.#transport);
    this.events = new Events(this.#transport);
    this.balance = new Balance(this.#transport);
    this.receipts = new Receipts(this.#transport);
    this.paymentLinks = new PaymentLinks(this.#transport);
    this.qrCodes = new QRCodes(this.#transport);
    this.splitRules = new SplitRules(this.#transport);
    this.webhookEndpoints = new WebhookEndpoints(this.#transport);
    this.signatures = new Signatures(this.#transport);
  }

  /** Reads the platform's public keys; keep them, they seldom change. */
  async platformKeys(): Promise<PlatformKeys> {
    const path = "/.well-known/feiqian-keys.json";
    return new PlatformKeys(await this.#transport.send({ method: "GET", path }));
  }

  /** Does what this package has no method for: path is /v1/…. It retries as all methods do. */
  call<T>(method: string, path: string, body?: unknown, options?: CallOptions): Promise<T> {
    return this.#transport.send<T>({ method, path, body, options });
  }
}

export class Payments extends Part {
  /** Makes a payment; with payment_code it is charged at once and the answer is final. */
  create(order: api.NewPayment, options?: CallOptions): Promise<api.Payment> {
    return this.transport.send({ method: "POST", path: "/v1/payments", body: order, options });
  }

  /** Reads a payment, with its captures or refunds if asked for. */
  retrieve(id: string, expand: readonly ("captures" | "refunds")[] = []): Promise<api.PaymentDetail> {
    return this.get(`/v1/payments/${segment(id)}`, { expand: expand.join(",") });
  }

  /** Reads one page, newest first. */
  list(filter: api.PaymentFilter = {}): Promise<api.Page<api.Payment>> {
    return this.get("/v1/payments", filter);
  }

  /** Goes through all payments of a filter, newest first, and reads pages as it needs them. */
  all(filter: api.PaymentFilter = {}): AsyncGenerator<api.Payment, void, undefined> {
    return this.pages("/v1/payments", filter);
  }

  /** Takes what the payer set aside, whole or in part. */
  capture(id: string, part: api.NewCapture = {}, options?: CallOptions): Promise<api.Payment> {
    return this.#act(id, "capture", part, options);
  }

  async captures(id: string): Promise<api.Capture[]> {
    return (await this.get<api.Page<api.Capture>>(`/v1/payments/${segment(id)}/captures`)).data ?? [];
  }

  /** Sets an authorized payment's amount higher, up to the amount_max that the payer agreed to. */
  raise(id: string, amount: number, options?: CallOptions): Promise<api.Payment> {
    return this.#act(id, "raise", { amount }, options);
  }

  /** Calls a payment off before it is paid, or gives back what is not captured of it. */
  void(id: string, options?: CallOptions): Promise<api.Payment> {
    return this.#act(id, "void", undefined, options);
  }

  /** Gives parts of what waits of a payment to receivers, never more than the payment. */
  split(id: string, parts: api.NewSplits, options?: CallOptions): Promise<api.Payment> {
    return this.#act(id, "splits", parts, options);
  }

  async splits(id: string): Promise<api.Split[]> {
    return (await this.get<api.Page<api.Split>>(`/v1/payments/${segment(id)}/splits`)).data ?? [];
  }

  /** Makes what waits of a payment the merchant's; all of it without an amount. */
  release(id: string, amount?: number, options?: CallOptions): Promise<api.Payment> {
    return this.#act(id, "release", amount === undefined ? {} : { amount }, options);
  }

  /** Gives money back. Look at the state: a refund may wait for a review. */
  refund(id: string, order: api.NewRefund = {}, options?: CallOptions): Promise<api.Refund> {
    const path = `/v1/payments/${segment(id)}/refunds`;
    return this.transport.send({ method: "POST", path, body: order, options });
  }

  /** What a payment's own code says, for one payer. */
  qrCode(id: string): Promise<api.PresentedCode> {
    return this.get(`/v1/payments/${segment(id)}/qr_code`);
  }

  /** Draws a payment's own code. */
  drawQRCode(id: string, how: api.Drawing = {}): Promise<Uint8Array> {
    return this.file(`/v1/payments/${segment(id)}/qr_code/image`, how);
  }

  /** Signs a request that your app hands to the wallet. */
  appRequest(id: string, request: api.NewAppRequest): Promise<api.AppRequest> {
    return this.transport.send({
      method: "POST",
      path: `/v1/payments/${segment(id)}/app_requests`,
      body: request,
    });
  }

  /** Makes the instruction of a paid payment, once, and returns your half: the order without the instrument. */
  instruction(id: string): Promise<api.Instruction> {
    return this.transport.send({ method: "POST", path: `/v1/payments/${segment(id)}/instruction` });
  }

  async refunds(id: string): Promise<api.Refund[]> {
    return (await this.get<api.Page<api.Refund>>(`/v1/payments/${segment(id)}/refunds`)).data ?? [];
  }

  #act(id: string, what: string, body: unknown, options?: CallOptions): Promise<api.Payment> {
    return this.transport.send({
      method: "POST",
      path: `/v1/payments/${segment(id)}/${what}`,
      body,
      options,
    });
  }
}

/** Payments with a hosted page, where the payer picks a way to pay. */
export class Checkouts extends Part {
  /** Makes a payment and its page: send the payer to its url, and keep that out of logs. */
  create(order: api.NewCheckout, options?: CallOptions): Promise<api.Checkout> {
    return this.transport.send({ method: "POST", path: "/v1/checkouts", body: order, options });
  }

  /** Reads which sites may show the page within theirs. */
  origins(): Promise<api.CheckoutOrigins> {
    return this.get("/v1/checkout_origins");
  }

  /** Says which sites may show the page within theirs, such as https://shop.example; replaces the former list. */
  setOrigins(origins: readonly string[]): Promise<api.CheckoutOrigins> {
    return this.transport.send({ method: "PUT", path: "/v1/checkout_origins", body: { origins } });
  }

  /** Reads a payment's page by the payment's id. */
  retrieve(id: string): Promise<api.Checkout> {
    return this.get(`/v1/checkouts/${segment(id)}`);
  }
}

/** All refunds of the merchant's payments, those that wait for a review among them. `payments.refund` asks for one. */
export class Refunds extends Part {
  /** Reads the rules for refunds. */
  rules(): Promise<api.RefundRules> {
    return this.get("/v1/refund_rules");
  }

  /** Replaces the rules for refunds. */
  setRules(rules: api.NewRefundRules): Promise<api.RefundRules> {
    return this.transport.send({ method: "PUT", path: "/v1/refund_rules", body: rules });
  }

  retrieve(id: string): Promise<api.Refund> {
    return this.get(`/v1/refunds/${segment(id)}`);
  }

  /** Goes through all refunds of a filter, newest first. */
  all(filter: api.RefundFilter = {}): AsyncGenerator<api.Refund, void, undefined> {
    return this.pages("/v1/refunds", filter);
  }

  /** Lets a refund that waits for the merchant's word go through. */
  approve(id: string, word: api.RefundApproval, options?: CallOptions): Promise<api.Refund> {
    return this.#act(id, "approve", word, options);
  }

  /** Refuses a refund that waits for the merchant's word; the payer is told the reason. */
  reject(id: string, word: api.RefundRejection, options?: CallOptions): Promise<api.Refund> {
    return this.#act(id, "reject", word, options);
  }

  #act(id: string, what: string, body: unknown, options?: CallOptions): Promise<api.Refund> {
    return this.transport.send({ method: "POST", path: `/v1/refunds/${segment(id)}/${what}`, body, options });
  }
}

/** Payers' complaints about the merchant's payments. Answer each until its `answer_by`. */
export class Disputes extends Part {
  retrieve(id: string): Promise<api.Dispute> {
    return this.get(`/v1/disputes/${segment(id)}`);
  }

  /** Goes through all disputes of a filter, newest first. */
  all(filter: api.DisputeFilter = {}): AsyncGenerator<api.Dispute, void, undefined> {
    return this.pages("/v1/disputes", filter);
  }

  /** Gives the disputed amount back. */
  accept(id: string, word: api.DisputeAcceptance = {}, options?: CallOptions): Promise<api.Dispute> {
    return this.#act(id, "accept", word, options);
  }

  /** Contests it: the operator's staff decide. */
  contest(id: string, word: api.DisputeContest, options?: CallOptions): Promise<api.Dispute> {
    return this.#act(id, "contest", word, options);
  }

  #act(id: string, what: string, body: unknown, options?: CallOptions): Promise<api.Dispute> {
    return this.transport.send({
      method: "POST",
      path: `/v1/disputes/${segment(id)}/${what}`,
      body,
      options,
    });
  }
}

/** How to follow events. */
export type Follow = api.EventFilter & {
  signal?: AbortSignal;
  /** Told of trouble; it goes on unless this throws. Without it only what may pass by itself is waited for. */
  onTrouble?: (error: unknown) => void;
};

/** What happened to the merchant's payments and refunds. Events and webhooks tell the same. */
export class Events extends Part {
  /** Reads one page, oldest first. The last page has a next_cursor too: it leads to what comes. */
  list(filter: api.EventFilter = {}): Promise<api.Page<api.Event>> {
    return this.get("/v1/events", filter);
  }

  /** Reads an event by its id. */
  retrieve(id: string): Promise<api.Event> {
    return this.get(`/v1/events/${segment(id)}`);
  }

  /** Goes through all events of a filter that there are by now, oldest first. */
  all(filter: api.EventFilter = {}): AsyncGenerator<api.Event, void, undefined> {
    return this.pages("/v1/events", filter);
  }

  /**
   * Goes through pages of events and waits for those to come, until the signal aborts. Keep next_cursor once you have
   * dealt with a page and begin with it as cursor after a restart: no event is lost, the last page may come again.
   */
  async *follow({ signal, onTrouble, ...filter }: Follow = {}): AsyncGenerator<
    api.Page<api.Event>,
    void,
    undefined
  > {
    let query: Query = { limit: 100, ...filter };
    const stopped = (): boolean => signal?.aborted === true;
    while (!stopped()) {
      let more = false;
      try {
        const page = await this.transport.send<api.Page<api.Event>>({
          method: "GET",
          path: "/v1/events",
          query,
          options: signal ? { signal } : undefined,
        });
        if ((page.data ?? []).length > 0) yield page;
        if (page.next_cursor !== undefined) query = { ...query, cursor: page.next_cursor };
        more = page.has_more;
      } catch (error) {
        if (stopped()) return;
        if (onTrouble) onTrouble(error);
        else if (!isTemporary(error)) throw error;
      }
      if (!more) await sleep(1000, signal);
    }
  }
}

export class Balance extends Part {
  /** Reads what the merchant has, now or at an instant. */
  retrieve(query: api.BalanceQuery = {}): Promise<api.Balance> {
    return this.get("/v1/balance", query);
  }

  /** Goes through what was posted, newest first. */
  statement(filter: api.StatementFilter = {}): AsyncGenerator<api.Posting, void, undefined> {
    return this.pages("/v1/statement", filter);
  }
}

export class Receipts extends Part {
  /** Reads the receipt of an entry; one of the last second is waited for. */
  retrieve(entryId: string): Promise<api.Receipt> {
    return this.get(`/v1/receipts/${segment(entryId)}`);
  }
}

export class Signatures extends Part {
  /** Lists the keys that sign requests, newest first. People register them in the merchant portal. */
  async keys(): Promise<api.SigningKey[]> {
    return (await this.get<api.Page<api.SigningKey>>("/v1/signing_keys")).data ?? [];
  }

  /** Says what the server canonicalised of a signed request, which key it took, and what is wrong with it. */
  debug(question: api.SignatureQuestion): Promise<api.Diagnosis> {
    return this.transport.send({ method: "POST", path: "/v1/signatures/debug", body: question });
  }
}
