package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"

	"github.com/feiqian/feiqian/internal/api"
	"github.com/feiqian/feiqian/internal/money"
	"github.com/feiqian/feiqian/internal/payment"
	"github.com/feiqian/feiqian/internal/vault"
	"github.com/feiqian/feiqian/internal/wallet"
)

// The acts with payment codes.

// Amounts of the story, in minor units.
const (
	shownAmount   = 12_50
	offlineAmount = 6_60
	coffeeAmount  = 28_00
)

// show asks for a code to show.
func (d *demo) show(ctx context.Context, c *customer) (string, reply, error) {
	shown, answer, err := ask[api.PaymentCode](ctx, d.client, post(c.token, "/wallet/v1/payment_codes", nil))
	if err != nil {
		return "", answer, fmt.Errorf("get a payment code for %s: %w", c.name, err)
	}
	return shown.Code, answer, nil
}

// scan charges a code: the answer is final.
func (d *demo) scan(
	ctx context.Context, s *shop, code string, amount money.Amount, want payment.State,
) (payment.Payment, reply, error) {
	made, answer, err := ask[payment.Payment](ctx, d.client, post(s.token, "/v1/payments", with(amount,
		fields{"payment_code": code})))
	if err == nil {
		err = mustBe(made, want)
	}
	if err != nil {
		return made, answer, fmt.Errorf("scan a payment code at %s: %w", s.name, err)
	}
	return made, answer, nil
}

// shownCode is a code that the payer shows and the merchant scans, and then once more.
func (d *demo) shownCode(ctx context.Context) error {
	amount, c, s := d.amountOf(shownAmount), d.wang, d.tea
	code, answer, err := d.show(ctx, c)
	if err != nil {
		return err
	}
	d.tell(step{who: c.name, what: "shows a payment code", result: code[:6] + "…, 24 digits", took: answer.Took})
	made, answer, err := d.scan(ctx, s, code, amount, payment.Succeeded)
	if err != nil {
		return err
	}
	d.tell(step{s.name, "scans it; the answer is final", amount, string(made.State), answer.Took})
	if err := d.paid(ctx, c, s, made.ID); err != nil {
		return err
	}
	return d.unmoved(ctx, func() error {
		again := post(s.token, "/v1/payments", with(amount, fields{"payment_code": code}))
		refused, answer, err := d.refused(ctx, again, "wallet.code_used")
		if err != nil {
			return err
		}
		d.tell(step{s.name, "scans the same code again", amount, refusedWith(refused), answer.Took})
		return nil
	}, &c.account, &s.account)
}

// offlineCode is a code that the phone computes by itself, from the secret that it got at sign-in. Its clock is the
// one that the server last told.
func (d *demo) offlineCode(ctx context.Context) error {
	amount, c, s := d.amountOf(offlineAmount), d.wang, d.tea
	secret, err := base64.RawURLEncoding.DecodeString(c.session.Device.Secret)
	if err != nil || len(secret) != vault.KeySize {
		return fmt.Errorf("the secret of device %s is not %d bytes in base64url", c.session.Device.ID, vault.KeySize)
	}
	view, err := d.view(ctx, &c.account)
	if err != nil {
		return err
	}
	const second = 1 // in its half a minute; the code shown before was the first
	code := wallet.ComputeCode([vault.KeySize]byte(secret), c.session.Device.Handle, wallet.StepOf(view.At), second)
	d.tell(step{who: c.name, what: "is offline; the phone computes a code by itself", result: code[:6] + "…, 24 digits"})
	made, answer, err := d.scan(ctx, s, code, amount, payment.Succeeded)
	if err != nil {
		return err
	}
	d.tell(step{s.name, "scans it", amount, string(made.State), answer.Took})
	return d.paid(ctx, c, s, made.ID)
}

// tooPoor is a code for more than the payer has: declined, which is an answer and not an error.
func (d *demo) tooPoor(ctx context.Context) error {
	c, s := d.wang, d.tea
	view, err := d.view(ctx, &c.account)
	if err != nil {
		return err
	}
	amount, err := view.Available.Add(d.amountOf(1))
	if err != nil {
		return err
	}
	code, _, err := d.show(ctx, c)
	if err != nil {
		return err
	}
	return d.unmoved(ctx, func() error {
		made, answer, err := d.scan(ctx, s, code, amount, payment.Declined)
		if err != nil {
			return err
		}
		// After some plays there is more than a day's limit for payment codes, which then stands in the way first.
		if made.DeclineCode != payment.DeclineInsufficientFunds && made.DeclineCode != payment.DeclineLimitExceeded {
			return fmt.Errorf("payment %s has decline code %q, and should have %s", made.ID, made.DeclineCode,
				payment.DeclineInsufficientFunds)
		}
		d.tell(step{
			s.name, "scans a code of " + c.name + " for more than is there", amount,
			"declined: " + made.DeclineCode, answer.Took,
		})
		s.happens("payment.declined", string(made.ID))
		return nil
	}, &c.account, &s.account)
}

// dryRun is a payment at the second merchant that only shows what would happen, and then the real one
// with the same code.
func (d *demo) dryRun(ctx context.Context) error {
	amount, c, s := d.amountOf(coffeeAmount), d.zhang, d.coffee
	code, _, err := d.show(ctx, c)
	if err != nil {
		return err
	}
	err = d.unmoved(ctx, func() error {
		made, answer, err := ask[payment.Payment](ctx, d.client,
			post(s.token, "/v1/payments?dry_run=true", with(amount, fields{"payment_code": code})))
		if err == nil {
			err = mustBe(made, payment.Succeeded)
		}
		if err != nil {
			return fmt.Errorf("dry run at %s: %w", s.name, err)
		}
		lookUp := call{Method: http.MethodGet, Path: "/v1/payments/" + string(made.ID), Token: s.token}
		if _, _, err := d.refused(ctx, lookUp, "payment.not_found"); err != nil {
			return err
		}
		d.tell(step{
			s.name, "scans a code of " + c.name + " as a dry run", amount,
			string(made.State) + ", and nothing is written", answer.Took,
		})
		return nil
	}, &c.account, &s.account)
	if err != nil {
		return err
	}
	made, answer, err := d.scan(ctx, s, code, amount, payment.Succeeded)
	if err != nil {
		return err
	}
	d.tell(step{s.name, "scans the same code for real", amount, string(made.State), answer.Took})
	return d.paid(ctx, c, s, made.ID)
}
