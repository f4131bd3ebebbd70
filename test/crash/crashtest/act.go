package crashtest

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"
)

// The kinds of acts.
const (
	transfer    = "transfer"
	codePayment = "code payment"
	order       = "order"
	confirm     = "confirmation"
	void        = "void"
	refund      = "refund"
	topUp       = "top-up"
	withdrawal  = "withdrawal"

	stateSucceeded = "succeeded"
	stateDeclined  = "declined"
	statePending   = "pending"
)

// act is one wish of somebody, its idempotency key in the call, and the one answer it got in the end.
type act struct {
	kind         string
	payer, payee *person
	merchant     *merchant
	amount       int64
	byCard       bool // by or to the payer's card, and not the bank account
	reference    string
	of           *act // the order that is confirmed, the payment that is refunded

	call   call
	sends  int
	reply  reply
	result result
}

// result is what answers about acts have in common.
type result struct {
	ID          string `json:"id"`
	State       string `json:"state"`
	Reference   string `json:"reference"`
	Amount      int64  `json:"amount"`
	Fee         flat   `json:"fee"`
	FeeReturned flat   `json:"fee_returned"`
	Refunded    flat   `json:"refunded"`
	Attempt     string `json:"attempt_id"`
}

type flat struct {
	Amount int64 `json:"amount"`
}

func (a *act) done() bool { return a.reply.Status < http.StatusMultipleChoices }

// refusals are the business reasons for which an act may be refused. A refusal because the act itself was
// there already is none of them.
func refusals(kind string) []string {
	switch kind {
	case transfer, withdrawal:
		return []string{"payment.insufficient_funds"}
	case confirm:
		return []string{"payment.insufficient_funds", "payment.expired", "payment.already_expired"}
	case void:
		return []string{"payment.already_expired"}
	case topUp:
		return []string{"card.above_day_limit"}
	case codePayment:
		return []string{"wallet.code_used", "wallet.code_expired"}
	case refund:
		return []string{"refund.exceeds_payment", "refund.merchant_balance_low"}
	}
	return nil
}

// settle sends the act with its one key until it is answered, and reports whether it was done.
func (town *Town) settle(random *rand.Rand, a *act) bool {
	for begun := time.Now(); time.Since(begun) < patience; time.Sleep(20 * time.Millisecond) {
		a.sends++
		r, err := send(town.t.Context(), town.client, town.bases[random.IntN(len(town.bases))], a.call)
		if town.t.Context().Err() != nil || town.t.Failed() {
			return false
		}
		if err != nil || r.Status == http.StatusTooManyRequests || r.Status == http.StatusServiceUnavailable ||
			r.Status == http.StatusGatewayTimeout {
			continue
		}
		a.reply = r
		town.record(a)
		return a.done()
	}
	town.t.Errorf("%s %s has no answer after %s and %d tries", a.kind, a.call.Key, patience, a.sends)
	return false
}

// record notes an act that was answered.
func (town *Town) record(a *act) {
	town.mu.Lock()
	defer town.mu.Unlock()
	town.acts = append(town.acts, a)
	code := a.reply.code()
	switch {
	case a.done():
		if err := json.Unmarshal(a.reply.Body, &a.result); err != nil {
			town.t.Errorf("%s %s: %v in %s", a.kind, a.call.Key, err, a.reply.Body)
		}
		if a.result.State == stateSucceeded && (a.kind == codePayment || a.kind == confirm) {
			town.paid = append(town.paid, a)
		}
	case !slices.Contains(refusals(a.kind), code):
		town.t.Errorf("%s %s is refused after %d tries: %d %s", a.kind, a.call.Key, a.sends, a.reply.Status, a.reply.Body)
	case a.kind == codePayment && a.sends == 1 && !town.Faulty:
		town.t.Errorf("%s %s: a fresh code is refused at the first try: %s", a.kind, a.call.Key, code)
	}
}

// Load sets everybody to work and returns what ends it: each finishes the act under way, which needs a platform that is
// ready.
func (town *Town) Load(pause time.Duration) (stop func()) {
	ctx, cancel := context.WithCancel(town.t.Context())
	var actors sync.WaitGroup
	for _, p := range town.people {
		for _, device := range p.phones {
			town.actors++
			actor := &actor{
				town:   town,
				phone:  device,
				number: town.actors,
				random: rand.New(rand.NewPCG(town.Seed, town.actors)),
			}
			actors.Go(func() {
				for ctx.Err() == nil {
					actor.act()
					time.Sleep(time.Duration(actor.random.Int64N(int64(pause))))
				}
			})
		}
	}
	return func() { cancel(); actors.Wait() }
}

// actor is a person with a phone, and the cashier in front of them.
type actor struct {
	town   *Town
	phone  *phone
	random *rand.Rand
	number uint64
	acts   int
}

// act does one thing by chance, or two that belong together.
func (a *actor) act() {
	const all = 100
	switch n := a.random.IntN(all); {
	case n < 30:
		a.transfer()
	case n < 60:
		a.payByCode()
	case n < 75:
		a.payByOrder()
	case n < 86:
		a.refund()
	case n < 94:
		a.bankMoney(topUp, "/wallet/v1/top_ups")
	default:
		a.bankMoney(withdrawal, "/wallet/v1/withdrawals")
	}
}

// key is a fresh idempotency key, which also serves as the merchant's reference.
func (a *actor) key() string {
	a.acts++
	return fmt.Sprintf("%d-%d", a.number, a.acts)
}

// merchant draws a merchant; the first one is the hot one.
func (a *actor) merchant() *merchant {
	if a.random.IntN(5) == 0 {
		return a.town.merchants[1]
	}
	return a.town.merchants[0]
}

func amountOf(minor int64) map[string]any { return map[string]any{"amount": minor, "currency": "CNY"} }

func (a *actor) transfer() {
	payer := a.phone.owner
	payee := a.town.people[a.random.IntN(len(a.town.people))]
	if payee == payer {
		return
	}
	amount := 1 + a.random.Int64N(20_000)
	body := amountOf(amount)
	body["payee"], body["pin"], body["note"] = payee.id, payer.pin, "tea"
	a.town.settle(a.random, &act{kind: transfer, payer: payer, payee: payee, amount: amount, call: call{
		Method: http.MethodPost, Path: "/wallet/v1/transfers", Token: a.phone.token, Key: a.key(), Body: body,
	}})
}

func (a *actor) payByCode() {
	code := a.phone.nextCode(a.town.now())
	if code == "" {
		return
	}
	payment := a.newOrder(codePayment)
	body, _ := payment.call.Body.(map[string]any)
	body["payment_code"] = code
	a.town.settle(a.random, payment)
}

// newOrder is a merchant's wish to be paid.
func (a *actor) newOrder(kind string) *act {
	m, key, amount := a.merchant(), a.key(), 1+a.random.Int64N(3_000)
	body := amountOf(amount)
	body["reference"] = key
	return &act{kind: kind, payer: a.phone.owner, merchant: m, amount: amount, reference: key, call: call{
		Method: http.MethodPost, Path: "/v1/payments", Token: m.key, Key: key, Body: body,
	}}
}

func (a *actor) payByOrder() {
	wish := a.newOrder(order)
	if !a.town.settle(a.random, wish) {
		return
	}
	if a.random.IntN(6) == 0 {
		a.town.settle(a.random, &act{kind: void, merchant: wish.merchant, of: wish, call: call{
			Method: http.MethodPost, Path: "/v1/payments/" + wish.result.ID + "/void", Token: wish.merchant.key, Key: a.key(),
		}})
		return
	}
	payer := a.phone.owner
	a.town.settle(
		a.random,
		&act{kind: confirm, payer: payer, merchant: wish.merchant, amount: wish.amount, of: wish, call: call{
			Method: http.MethodPost,
			Path:   "/wallet/v1/payments/" + wish.result.ID + "/confirm",
			Token:  a.phone.token,
			Key:    a.key(),
			Body:   map[string]any{"pin": payer.pin},
		}},
	)
}

// refund gives back a part of any payment, so that several may want the same money back at once.
func (a *actor) refund() {
	a.town.mu.Lock()
	if len(a.town.paid) == 0 {
		a.town.mu.Unlock()
		return
	}
	paid := a.town.paid[a.random.IntN(len(a.town.paid))]
	a.town.mu.Unlock()
	key, amount := a.key(), 1+a.random.Int64N(paid.amount)
	if a.random.IntN(3) == 0 {
		amount = paid.amount
	}
	body := amountOf(amount)
	body["reference"] = key
	a.town.settle(a.random, &act{
		kind: refund, payer: paid.payer, merchant: paid.merchant, amount: amount, reference: key, of: paid,
		call: call{
			Method: http.MethodPost,
			Path:   "/v1/payments/" + paid.result.ID + "/refunds",
			Token:  paid.merchant.key,
			Key:    key,
			Body:   body,
		},
	})
}

// bankMoney moves money from or to the bank or a card; some amounts are magic and lose answers.
func (a *actor) bankMoney(kind, path string) {
	const magicFirst, magicLast, magicModulus = 9001, 9020, 10_000
	amount := 1 + a.random.Int64N(magicFirst-1)
	if a.random.IntN(4) == 0 {
		amount = magicFirst + a.random.Int64N(magicLast-magicFirst+1) + magicModulus*a.random.Int64N(3)
	}
	wish := &act{
		kind: kind, payer: a.phone.owner, amount: amount, byCard: a.random.IntN(2) == 0,
		call: bankMoney(a.phone, path, a.key(), amount),
	}
	if body, _ := wish.call.Body.(map[string]any); wish.byCard {
		delete(body, "bank_account_id")
		body["card_id"] = wish.payer.cardID
	}
	a.town.settle(a.random, wish)
}

func bankMoney(device *phone, path, key string, amount int64) call {
	body := amountOf(amount)
	body["bank_account_id"], body["pin"] = device.owner.bankAccountID, device.owner.pin
	return call{Method: http.MethodPost, Path: path, Token: device.token, Key: key, Body: body}
}
