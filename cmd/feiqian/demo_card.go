package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/feiqian/feiqian/internal/api"
	"github.com/feiqian/feiqian/internal/card"
	"github.com/feiqian/feiqian/internal/money"
	"github.com/feiqian/feiqian/internal/payment"
	"github.com/feiqian/feiqian/internal/payout"
	"github.com/feiqian/feiqian/internal/sandbox/issuer"
)

// The acts with a bank card.

// Amounts of the story, in minor units.
const (
	cardTopUp    = 20_00
	cardWithdraw = 5_00
	cardTooMuch  = 5_000_01 // one fen above what the issuer allows at once
)

// cards reports whether the play has cards: the sandbox's issuer gives out cards in yuan only.
func (d *demo) cards() bool { return d.currency == "CNY" }

// bindCard binds 张伟's card, unless an earlier play has: a card may be checked at its bank four times a day.
func (d *demo) bindCard(ctx context.Context) error {
	if !d.cards() {
		return nil
	}
	c := d.zhang
	list, err := fetch[api.Page[card.Card]](ctx, d.client, c.token, "/wallet/v1/cards?limit=100")
	if err != nil {
		return fmt.Errorf("read the cards of %s: %w", c.name, err)
	}
	for _, known := range list.Data {
		if known.State == card.Bound {
			c.card = known
			return nil
		}
	}
	plastic, err := d.plasticOf(ctx, c)
	if err != nil {
		return err
	}
	asked, first, err := ask[card.Card](ctx, d.client, post(c.token, "/wallet/v1/cards", fields{
		"number": plastic.Number, "holder_name": plastic.Holder, "document_number": plastic.Document,
		"phone": plastic.Phone, "pin": c.login.PIN,
	}))
	if err != nil {
		return fmt.Errorf("bind a card of %s: %w", c.name, err)
	}
	sent, err := fetch[struct {
		Codes []struct {
			Reference string `json:"reference"`
			Code      string `json:"code"`
		} `json:"codes"`
	}](ctx, d.issuer, "", "/control/codes")
	if err != nil {
		return fmt.Errorf("read the codes of the sandbox issuer: %w", err)
	}
	for _, code := range sent.Codes {
		if code.Reference != string(asked.ID) {
			continue
		}
		bound, last, err := ask[card.Card](ctx, d.client, post(c.token, "/wallet/v1/cards/"+string(asked.ID)+"/confirm",
			fields{"code": code.Code}))
		if err == nil && bound.State != card.Bound {
			err = fmt.Errorf("it is %s (%s), and should be %s", bound.State, bound.DeclineCode, card.Bound)
		}
		if err != nil {
			return fmt.Errorf("confirm card %s: %w", asked.ID, err)
		}
		c.card = bound
		d.tell(step{
			who: c.name, what: "binds a bank card with the code of its bank", result: bound.IssuerEN + " …" + bound.Last4,
			took: first.Took + last.Took,
		})
		return nil
	}
	return fmt.Errorf("the issuer sent no code for card %s", asked.ID)
}

// plasticOf finds a customer's debit card at the sandbox issuer.
func (d *demo) plasticOf(ctx context.Context, c *customer) (issuer.Card, error) {
	given, err := fetch[struct {
		Cards []issuer.Card `json:"cards"`
	}](ctx, d.issuer, "", "/control/cards")
	if err != nil {
		return issuer.Card{}, fmt.Errorf("ask the sandbox issuer at %s, see --sandbox-issuer-listen: %w",
			d.issuer.address, err)
	}
	for _, plastic := range given.Cards {
		if plastic.Holder == c.name && strings.HasPrefix(plastic.Number, "622202") {
			return plastic, nil
		}
	}
	return issuer.Card{}, fmt.Errorf("the sandbox issuer has no card of %s", c.name)
}

// byCard is the request of a top-up or withdrawal by card.
func (c *customer) byCard(amount money.Amount) fields {
	return with(amount, fields{"card_id": c.card.ID, "pin": c.login.PIN})
}

// cardMoney tops up by card, and withdraws a part to it.
func (d *demo) cardMoney(ctx context.Context) error {
	if !d.cards() {
		return nil
	}
	c, amount := d.zhang, d.amountOf(cardTopUp)
	topUp, first, err := ask[payment.TopUp](ctx, d.client, post(c.token, "/wallet/v1/top_ups", c.byCard(amount)))
	if err != nil {
		return fmt.Errorf("top up by card: %w", err)
	}
	topUp, last, err := ask[payment.TopUp](ctx, d.client, waitFor(c, "/wallet/v1/top_ups/"+string(topUp.ID)))
	if err == nil && topUp.State != payment.Succeeded {
		err = fmt.Errorf("it is %s (%s), and should be %s", topUp.State, topUp.DeclineCode, payment.Succeeded)
	}
	if err != nil {
		return fmt.Errorf("wait for top-up %s: %w", topUp.ID, err)
	}
	d.tell(step{c.name, "tops up by card", amount, "pending → " + string(topUp.State), first.Took + last.Took})
	d.gains(&c.account, amount, "topped up by card")
	d.gains(d.reserve, amount, c.name+" topped up by card")

	amount = d.amountOf(cardWithdraw)
	out, first, err := ask[payout.Payout](ctx, d.client, post(c.token, "/wallet/v1/withdrawals", c.byCard(amount)))
	if err != nil {
		return fmt.Errorf("withdraw to the card: %w", err)
	}
	out, last, err = ask[payout.Payout](ctx, d.client, waitFor(c, "/wallet/v1/withdrawals/"+string(out.ID)))
	if err == nil && out.State != payout.Succeeded {
		err = fmt.Errorf("it is %s (%s), and should be %s", out.State, out.DeclineCode, payout.Succeeded)
	}
	if err != nil {
		return fmt.Errorf("wait for withdrawal %s: %w", out.ID, err)
	}
	d.tell(step{c.name, "withdraws to the card", amount, "pending → " + string(out.State), first.Took + last.Took})
	d.pays(&c.account, amount, "withdrawn to the card")
	d.pays(d.reserve, amount, c.name+" withdrew to the card")
	return nil
}

// cardRefused asks for more than the card's agreement allows at once.
func (d *demo) cardRefused(ctx context.Context) error {
	if !d.cards() {
		return nil
	}
	amount := d.amountOf(cardTooMuch)
	return d.unmoved(ctx, func() error {
		problem, answer, err := d.refused(ctx, post(d.zhang.token, "/wallet/v1/top_ups", d.zhang.byCard(amount)),
			"card.above_transaction_limit")
		if err != nil {
			return err
		}
		d.tell(step{d.zhang.name, "tops up by card, above its limit", amount, refusedWith(problem), answer.Took})
		return nil
	}, &d.zhang.account)
}
