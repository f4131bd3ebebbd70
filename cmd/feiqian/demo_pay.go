package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/google/uuid"

	"github.com/feiqian/feiqian/internal/api"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/money"
	"github.com/feiqian/feiqian/internal/payment"
)

// The acts between payers and merchants.

// Amounts of the story, in minor units.
const (
	teaAmount      = 19_99
	refundAmount   = 9_99
	wrongPINAmount = 8_80
	voidAmount     = 45_00
)

// create makes a payment that waits for its payer.
func (d *demo) create(ctx context.Context, s *shop, amount money.Amount, others fields) (payment.Payment, error) {
	made, answer, err := ask[payment.Payment](ctx, d.client, post(s.token, "/v1/payments", with(amount, others)))
	if err == nil {
		err = mustBe(made, payment.Created)
	}
	if err != nil {
		return made, fmt.Errorf("create a payment for %s: %w", s.name, err)
	}
	d.tell(step{s.name, "asks to be paid", amount, string(made.State), answer.Took})
	s.happens("payment.created", string(made.ID))
	return made, nil
}

func mustBe(p payment.Payment, want payment.State) error {
	if p.State != want {
		return fmt.Errorf("payment %s is %s (%s), and should be %s", p.ID, p.State, p.DeclineCode, want)
	}
	return nil
}

// happens writes down an event that a merchant must have.
func (s *shop) happens(kind, subject string) {
	s.events = append(s.events, happening{kind: kind, subject: subject})
}

// paid writes down what a payment does to the books, and checks its fee as the merchant sees it.
func (d *demo) paid(ctx context.Context, c *customer, s *shop, name id.Payment) error {
	p, err := fetch[payment.Payment](ctx, d.client, s.token, "/v1/payments/"+string(name))
	if err != nil {
		return fmt.Errorf("read payment %s: %w", name, err)
	}
	if err := mustBe(p, payment.Succeeded); err != nil {
		return err
	}
	fee, err := s.feeRate.Of(p.Amount)
	if err != nil {
		return err
	}
	if p.Fee != fee || p.Customer != c.session.Customer.ID {
		return fmt.Errorf("payment %s has fee %s and payer %s, and should have %s and %s", p.ID, p.Fee, p.Customer, fee,
			c.session.Customer.ID)
	}
	d.pays(&c.account, p.Amount, "paid to "+s.name)
	d.gains(&s.account, p.Amount, "paid by "+c.name)
	d.pays(&s.account, fee, "fee of it")
	d.gains(d.fees, fee, "fee of "+s.name)
	s.happens("payment.succeeded", string(p.ID))
	return nil
}

// confirm is a payer's word for a payment.
func confirm(c *customer, name id.Payment, pin string) call {
	return post(c.token, "/wallet/v1/payments/"+string(name)+"/confirm", fields{"pin": pin})
}

// payWithPIN is a payment that its payer looks at and confirms; and the same request once more.
func (d *demo) payWithPIN(ctx context.Context) error {
	amount, c, s := d.amountOf(teaAmount), d.zhang, d.tea
	made, err := d.create(ctx, s, amount, fields{"reference": d.reference(), "description": "tea for two"})
	if err != nil {
		return err
	}
	d.teaPayment = made.ID
	seen, answer, err := ask[payment.PayerView](ctx, d.client, call{
		Method: http.MethodGet, Path: "/wallet/v1/payments/" + string(made.ID), Token: c.token,
	})
	if err != nil {
		return fmt.Errorf("look at payment %s: %w", made.ID, err)
	}
	if seen.MerchantName != s.name || seen.Amount != amount {
		return fmt.Errorf("%s sees %s for %s, and should see %s for %s", c.name, seen.Amount, seen.MerchantName, amount,
			s.name)
	}
	d.tell(step{
		c.name, "looks at it before paying: “" + seen.Description + "”", seen.Amount,
		"for " + seen.MerchantName, answer.Took,
	})
	request := confirm(c, made.ID, c.login.PIN)
	request.Key = uuid.NewString()
	paid, first, err := ask[payment.PayerView](ctx, d.client, request)
	if err != nil {
		return fmt.Errorf("confirm payment %s: %w", made.ID, err)
	}
	d.tell(step{c.name, "confirms with the PIN", paid.Amount, string(paid.State), first.Took})
	if err := d.paid(ctx, c, s, made.ID); err != nil {
		return err
	}
	return d.unmoved(ctx, func() error {
		again, err := d.do(ctx, request)
		if err != nil {
			return err
		}
		if first.Replayed || !again.Replayed || again.Status != first.Status || !bytes.Equal(again.Body, first.Body) {
			return fmt.Errorf("the same request again got status %d, replayed %t: %s", again.Status, again.Replayed,
				again.Body)
		}
		d.tell(step{
			c.name, "sends the same request again, by mistake",
			money.Amount{},
			"Idempotent-Replayed: true, same body", again.Took,
		})
		return nil
	}, &c.account, &s.account)
}

func (d *demo) reference() string { return "demo-" + d.run }

func (d *demo) findByReference(ctx context.Context) error {
	page, answer, err := ask[api.Page[payment.Payment]](ctx, d.client, call{
		Method: http.MethodGet, Path: "/v1/payments?reference=" + url.QueryEscape(d.reference()), Token: d.tea.token,
	})
	if err != nil {
		return fmt.Errorf("query by reference: %w", err)
	}
	if len(page.Data) != 1 || page.Data[0].ID != d.teaPayment {
		return fmt.Errorf("reference %s finds %d payments, and should find %s alone", d.reference(), len(page.Data),
			d.teaPayment)
	}
	d.tell(step{
		d.tea.name, "queries by its own reference", page.Data[0].Amount,
		"found, " + string(page.Data[0].State), answer.Took,
	})
	return nil
}

// wrongPIN is a wrong PIN, which moves nothing, and then the right one.
func (d *demo) wrongPIN(ctx context.Context) error {
	amount, c, s := d.amountOf(wrongPINAmount), d.wang, d.tea
	made, err := d.create(ctx, s, amount, fields{"description": "sesame balls"})
	if err != nil {
		return err
	}
	right := c.login.PIN
	wrong := right[:len(right)-1] + string('0'+(right[len(right)-1]-'0'+1)%10)
	err = d.unmoved(ctx, func() error {
		refused, answer, err := d.refused(ctx, confirm(c, made.ID, wrong), "auth.pin_wrong")
		if err != nil {
			return err
		}
		d.tell(step{c.name, "confirms with a wrong PIN", amount, refusedWith(refused), answer.Took})
		return nil
	}, &c.account, &s.account)
	if err != nil {
		return fmt.Errorf("wrong PIN for payment %s: %w", made.ID, err)
	}
	paid, answer, err := ask[payment.PayerView](ctx, d.client, confirm(c, made.ID, right))
	if err != nil {
		return fmt.Errorf("confirm payment %s: %w", made.ID, err)
	}
	d.tell(step{c.name, "confirms with the right PIN", paid.Amount, string(paid.State), answer.Took})
	return d.paid(ctx, c, s, made.ID)
}

func refusedWith(p api.Problem) string { return fmt.Sprintf("refused: %d %s", p.Status, p.Code) }

// refunds gives the tea back in two parts; more than was paid is refused each time.
func (d *demo) refunds(ctx context.Context) error {
	paid, err := fetch[payment.Payment](ctx, d.client, d.tea.token, "/v1/payments/"+string(d.teaPayment))
	if err != nil {
		return fmt.Errorf("read payment %s: %w", d.teaPayment, err)
	}
	share, err := paid.Fee.Share(refundAmount, teaAmount)
	if err != nil {
		return err
	}
	rest, err := paid.Fee.Sub(share)
	if err != nil {
		return err
	}
	if err := d.refund(ctx, "refunds a part: the tea was cold", refundAmount, share, fields{
		"amount": refundAmount,
		"reason": "cold",
	}); err != nil {
		return err
	}
	if err := d.refundRefused(ctx, "refunds more than is left",
		fields{"amount": teaAmount - refundAmount + 1}); err != nil {
		return err
	}
	if err := d.refund(ctx, "refunds the rest", teaAmount-refundAmount, rest, fields{}); err != nil {
		return err
	}
	return d.refundRefused(ctx, "refunds once more", fields{})
}

// refund gives minor units of the tea back, and feeReturn of the fee with it.
func (d *demo) refund(ctx context.Context, what string, minor int64, feeReturn money.Amount, body fields) error {
	made, answer, err := ask[payment.Refund](ctx, d.client, post(d.tea.token,
		"/v1/payments/"+string(d.teaPayment)+"/refunds", body))
	if err != nil {
		return fmt.Errorf("refund payment %s: %w", d.teaPayment, err)
	}
	amount := d.amountOf(minor)
	if made.Amount != amount || made.FeeReturned != feeReturn {
		return fmt.Errorf("refund %s is %s with %s of the fee, and should be %s with %s", made.ID, made.Amount,
			made.FeeReturned, amount, feeReturn)
	}
	d.tell(step{d.tea.name, what, amount, string(made.State) + ", fee returned " + feeReturn.Decimal(), answer.Took})
	d.gains(&d.zhang.account, amount, "refunded by "+d.tea.name)
	d.gains(&d.tea.account, feeReturn, "fee returned")
	d.pays(&d.tea.account, amount, "refunded to "+d.zhang.name)
	d.pays(d.fees, feeReturn, "fee returned to "+d.tea.name)
	d.tea.happens("refund.succeeded", string(made.ID))
	return nil
}

func (d *demo) refundRefused(ctx context.Context, what string, body fields) error {
	return d.unmoved(ctx, func() error {
		refused, answer, err := d.refused(ctx, post(d.tea.token, "/v1/payments/"+string(d.teaPayment)+"/refunds", body),
			"refund.exceeds_payment")
		if err != nil {
			return err
		}
		d.tell(step{d.tea.name, what, money.Amount{}, refusedWith(refused), answer.Took})
		return nil
	}, &d.zhang.account, &d.tea.account)
}

// void calls a payment off; nobody can pay it any more.
func (d *demo) void(ctx context.Context) error {
	made, err := d.create(ctx, d.tea, d.amountOf(voidAmount), fields{"description": "a teapot"})
	if err != nil {
		return err
	}
	voided, answer, err := ask[payment.Payment](ctx, d.client, post(d.tea.token,
		"/v1/payments/"+string(made.ID)+"/void", nil))
	if err == nil {
		err = mustBe(voided, payment.Voided)
	}
	if err != nil {
		return fmt.Errorf("void payment %s: %w", made.ID, err)
	}
	d.tell(step{d.tea.name, "calls it off", voided.Amount, string(voided.State), answer.Took})
	d.tea.happens("payment.voided", string(made.ID))
	return d.unmoved(ctx, func() error {
		refused, answer, err := d.refused(ctx, confirm(d.zhang, made.ID, d.zhang.login.PIN), "payment.already_voided")
		if err != nil {
			return err
		}
		d.tell(step{d.zhang.name, "confirms it all the same", voided.Amount, refusedWith(refused), answer.Took})
		return nil
	}, &d.zhang.account, &d.tea.account)
}
