package payment

import (
	"context"
	"strings"
	"time"

	"github.com/feiqian/feiqian/internal/attempt"
	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/card"
	"github.com/feiqian/feiqian/internal/channel"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/ledger"
	"github.com/feiqian/feiqian/internal/limit"
)

// A payment by a bound card (快捷支付) is one attempt at the card's issuer. The payer's word makes the payment
// *processing* in the commit that writes the attempt and counts it in the card's agreement; card_settle.go is what the
// issuer's word makes of it. Until then nothing is posted: the money is the payer's bank's.

// Method is what pays.
type Method string

// The methods.
const (
	// ByBalance takes the money from the payer's balance, in the commit of the payer's word.
	ByBalance Method = "balance"
	// ByCard debits a bound bank card, whose issuer decides.
	ByCard Method = "card"
)

// With says what a payer wants to pay with. The zero value is the balance; ByCard without a card is the default card.
type With struct {
	Method Method
	Card   id.Card
}

func (w With) byCard() bool { return w.Method == ByCard || w.Card != "" }

// check refuses what contradicts itself. Errors: payment.bad_method.
func (w With) check() error {
	if w.Card != "" && w.Method == ByBalance {
		return fault.New(fault.Invalid, "payment.bad_method", "the balance or a card pays, not both").WithParam("method")
	}
	return nil
}

// intent is what is confirmed, paid in this way.
func (w With) intent(intent auth.Intent) auth.Intent {
	intent.ByCard = w.byCard()
	return intent
}

// PaidCard is the card that pays or has paid, as the merchant sees it.
type PaidCard struct {
	Issuer   string    `json:"issuer" example:"ICBC"`
	IssuerZH string    `json:"issuer_name_zh"`
	IssuerEN string    `json:"issuer_name_en"`
	Type     card.Type `json:"type" enum:"debit,credit,prepaid"`
	Scheme   string    `json:"scheme" example:"unionpay"`
	Last4    string    `json:"last4" example:"0005"`

	id      id.Card
	factors limit.Factors // with which the payment is counted
}

func paidCard(c card.Card, factors limit.Factors) *PaidCard {
	return &PaidCard{
		Issuer: c.Issuer, IssuerZH: c.IssuerZH, IssuerEN: c.IssuerEN, Type: c.Type, Scheme: c.Scheme, Last4: c.Last4,
		id: c.ID, factors: factors,
	}
}

// encodePaidCard writes "crd_… ICBC debit unionpay 0005 kp"; the letters are the factors.
func encodePaidCard(c *PaidCard) string {
	if c == nil {
		return ""
	}
	return strings.Join([]string{
		string(c.id), c.Issuer, string(c.Type), c.Scheme, c.Last4, encodeFactors(c.factors),
	}, " ")
}

// decodePaidCard reads what encodePaidCard wrote.
func decodePaidCard(text string) *PaidCard {
	parts := strings.Split(text, " ")
	if len(parts) != 6 { //nolint:mnd // as written above
		return nil
	}
	names := card.IssuerNames(parts[1])
	return &PaidCard{
		id: id.Card(parts[0]), Issuer: parts[1], IssuerZH: names.ZH, IssuerEN: names.EN, Type: card.Type(parts[2]),
		Scheme: parts[3], Last4: parts[4], factors: decodeFactors(parts[5]),
	}
}

// setMethod says what pays, where somebody does.
func (p *Payment) setMethod() {
	switch {
	case p.attempt != "":
		p.Method = ByCard
	case p.Customer != "":
		p.Method = ByBalance
	default:
		p.Method = ""
	}
}

// cardOrder is the debit of a card that a charge starts.
type cardOrder struct {
	payments *Payments
	try      attempt.Attempt
	work     id.Job
	card     *PaidCard
	refusal  error // told within the decision
}

// prepareCard is done outside the decision. Errors: attempt.no_account (no default card), card.not_found.
func (p *Payments) prepareCard(
	ctx context.Context, payment *Payment, with With, factors limit.Factors,
) (*cardOrder, error) {
	account, err := p.BankAccounts.Find(ctx, payment.Customer, attempt.Named{Card: with.Card, OrDefault: true})
	if err != nil {
		return nil, err
	}
	now := p.Clock.Now()
	try := attempt.Attempt{
		ID: id.New[id.Attempt](now), Kind: channel.KindPayIn, Subject: string(payment.ID), Customer: payment.Customer,
		Channel: account.Channel, Card: account.Card, Amount: payment.Amount, Stripe: p.Stripe,
	}
	return &cardOrder{
		payments: p, try: try, work: id.New[id.Job](now), card: paidCard(account.Details, factors),
		refusal: p.Attempts.Check(account.Channel, channel.KindPayIn, try),
	}, nil
}

// start writes the debit, in the decision that has the payer's word.
func (o *cardOrder) start(tx *commit.Tx, payment *Payment) error {
	if payment.CaptureMode == Manual {
		return fault.New(fault.Conflict, "payment.card_no_capture", "what is captured later is paid from the balance").
			WithHint("a card's bank debits at once: top up and pay from the balance")
	}
	if o.refusal != nil {
		return o.refusal
	}
	if err := o.payments.Attempts.Start(tx, o.try, o.work); err != nil {
		return err
	}
	payment.attempt, payment.Card, payment.DeclineCode = o.try.ID, o.card, ""
	return nil
}

// scanned reports whether a payment was begun by its payer, who scanned a store's code: it has no time to wait in.
func (p *Payment) scanned() bool { return !p.ExpiresAt.After(p.CreatedAt) }

// cardAct is a payment by card as the limits see it.
func cardAct(payment *Payment, factors limit.Factors) limit.Act {
	method := limit.CardPayment
	if payment.scanned() {
		method = limit.CardStaticCode
	}
	return limit.Act{Customer: payment.Customer, Amount: payment.Amount, Method: method, Factors: factors}
}

// cardMethod is how the limits count what would pay from the balance by that method.
func cardMethod(m limit.Method) limit.Method {
	if m == limit.StaticCode {
		return limit.CardStaticCode
	}
	return limit.CardPayment
}

// cardLines are the lines of a payment by card.
func (p *Payments) cardLines(payment *Payment, try attempt.Attempt) ([]ledger.Line, error) {
	terms, err := p.Attempts.Capabilities(try.Channel)
	if err != nil {
		return nil, err
	}
	cost, err := terms.Cost(try.Amount)
	if err != nil {
		return nil, err
	}
	flows := ledger.Flows{Stripe: try.Stripe}
	return flows.CardPayment(
		try.Channel, string(payment.Merchant), payment.Amount, payment.Fee, cost, payment.Funds.waits()), nil
}

// Try is one try of a payer to pay a payment by card.
type Try struct {
	ID          id.Attempt `json:"id"`
	State       State      `json:"state" enum:"processing,succeeded,declined"`
	DeclineCode string     `json:"decline_code,omitempty"`
	Card        *PaidCard  `json:"card,omitempty"`
	CreatedAt   time.Time  `json:"created_at"`
}

// Tries returns the tries to pay a merchant's payment by card, oldest first. Errors: payment.not_found.
func (p *Payments) Tries(ctx context.Context, merchant id.Merchant, name id.Payment) ([]Try, error) {
	if _, err := p.OfMerchant(ctx, merchant, name); err != nil {
		return nil, err
	}
	return p.triesOf(ctx, name, "")
}

// triesOf returns the tries of a payment, of one payer or, with "", of all.
func (p *Payments) triesOf(ctx context.Context, name id.Payment, customer id.Customer) ([]Try, error) {
	rows, err := p.Attempts.OfSubject(ctx, channel.KindPayIn, string(name))
	if err != nil {
		return nil, err
	}
	out := []Try{}
	for i := range rows {
		a := &rows[i]
		if customer != "" && a.Customer != customer {
			continue
		}
		found, err := p.Cards.Of(ctx, a.Customer, a.Card)
		if err != nil {
			return nil, err
		}
		try := Try{
			ID: a.ID, State: Processing, DeclineCode: a.DeclineCode, Card: paidCard(found, limit.Factors{}),
			CreatedAt: a.CreatedAt,
		}
		if a.State.Final() {
			if try.State = Declined; a.State == channel.AttemptSucceeded {
				try.State = Succeeded
			}
		}
		out = append(out, try)
	}
	return out, nil
}
