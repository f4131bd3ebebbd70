package qr

import (
	"context"

	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/idempotency"
	"github.com/feiqian/feiqian/internal/money"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/payment"
)

// PayOrder pays a receive code that was scanned. Nothing of the proof is kept.
type PayOrder struct {
	Code     id.QRCode
	Customer id.Customer
	Device   id.Device
	// Amount may be zero where the code has one.
	Amount money.Amount
	By     auth.Payer
	Proof  auth.Proof
	With   payment.With
	Once   idempotency.Request
}

// look reads a code of a kind and how much is paid.
func (c *Codes) look(ctx context.Context, kind Kind, o *PayOrder) (Code, error) {
	code, err := c.read(ctx, o.Code)
	if err != nil {
		return code, err
	}
	if code.Kind != kind {
		return code, fault.New(fault.Conflict, "qr.wrong_kind", "a store's code is paid, a person's is transferred to").
			WithHint("POST to the path that scanning the code gave")
	}
	o.Amount, err = code.asked(o.Amount)
	return code, err
}

// Pay pays a store's code by a payment that is made and paid in one commit. The answer is a payment.PayerView.
//
// Errors: qr.not_found, qr.wrong_kind, qr.wrong_amount, qr.amount_required, qr.disabled, and those of
// payment.PayScanned.
func (c *Codes) Pay(ctx context.Context, o PayOrder) (idempotency.Answer, error) {
	code, err := c.look(ctx, Store, &o)
	if err != nil {
		return idempotency.Answer{}, err
	}
	order := c.orderOf(code, o.Amount)
	order.Once = o.Once
	return c.Payments.PayScanned(ctx, payment.ScanOrder{
		Order: order, Code: code.ID, Customer: o.Customer, By: o.By, Proof: o.Proof, With: o.With,
		// A merchant's code is not locked: it is one row for all who pay at a busy counter. Whether it can be paid is as
		// it was a moment ago; an answer that is stored already is given whatever has become of it.
		Guard: func(tx *commit.Tx) error { return code.Payable(tx.Now()) },
	})
}

// orderOf is the payment that a scanned store code makes.
func (c *Codes) orderOf(code Code, amount money.Amount) payment.Order {
	return payment.Order{
		Merchant: code.Merchant, Store: code.Store, Amount: amount, Description: code.Description,
		Sharing: code.Sharing, ByPayer: true,
	}
}

// asked returns how much is paid: what the code says, or what the payer says. Errors: qr.wrong_amount.
func (c *Code) asked(amount money.Amount) (money.Amount, error) {
	wrong := fault.New(fault.Invalid, "qr.wrong_amount", "the code asks for another amount or currency").
		WithParam("amount").WithHint("scan the code again and pay what it asks for")
	if amount.Currency == "" {
		amount.Currency = c.Currency
	}
	switch {
	case amount.Currency != c.Currency:
		return amount, wrong
	case c.Minor == 0 && amount.Minor == 0:
		return amount, fault.New(fault.Invalid, "qr.amount_required", "say how much to pay").WithParam("amount")
	case c.Minor == 0, amount.Minor == c.Minor:
		return amount, nil
	case amount.Minor == 0:
		return c.amount(), nil
	}
	return amount, wrong
}

// Intent is what the payer of a receive code confirms. Errors: qr.not_found, qr.wrong_amount.
func (c *Codes) Intent(ctx context.Context, name id.QRCode, amount money.Amount) (auth.Intent, error) {
	code, err := c.read(ctx, name)
	if err != nil {
		return auth.Intent{}, err
	}
	if amount, err = code.asked(amount); err != nil {
		return auth.Intent{}, err
	}
	if code.Kind == Person {
		payee, err := c.Parties.PayeeByID(ctx, code.customer)
		if err != nil {
			return auth.Intent{}, noSuch(err)
		}
		return auth.Intent{
			Act: auth.ActTransfer, Payee: string(payee.ID), PayeeName: party.MaskName(payee.Name), Amount: amount,
		}, nil
	}
	merchant, err := c.Parties.Merchant(ctx, code.Merchant)
	if err != nil {
		return auth.Intent{}, noSuch(err)
	}
	return payment.IntentOfScan(code.ID, c.orderOf(code, amount), merchant.Name), nil
}

// Transfer pays a person's code by a transfer. The answer is a payment.Transfer.
//
// Errors: qr.not_found, qr.wrong_kind, qr.wrong_amount, qr.amount_required, qr.disabled, qr.used, qr.expired,
// qr.personal_day_max, payment.bad_method, and those of payment.Transfer.
func (c *Codes) Transfer(ctx context.Context, o PayOrder) (idempotency.Answer, error) {
	if o.With != (payment.With{}) && o.With != (payment.With{Method: payment.ByBalance}) {
		return idempotency.Answer{}, fault.New(fault.Invalid, "payment.bad_method", "a person is paid from the balance").
			WithParam("method")
	}
	code, err := c.look(ctx, Person, &o)
	if err != nil {
		return idempotency.Answer{}, err
	}
	payee, err := c.Parties.PayeeByID(ctx, code.customer)
	if err != nil {
		return idempotency.Answer{}, noSuch(err)
	}
	key, counter := c.codes.Key(string(code.ID)), c.receipts.Key(string(code.customer))
	return c.Payments.Transfer(ctx, payment.TransferOrder{
		Payer: o.Customer, Device: o.Device, Payee: payee, Amount: o.Amount, Note: code.Description, By: o.By,
		Proof: o.Proof, Once: o.Once,
		ByCode: &payment.ByReceiveCode{
			Standing: code.standing(), Keys: []commit.Key{key, counter},
			Check: func(tx *commit.Tx) error { return c.usePersonal(tx, key, counter) },
		},
	})
}

// usePersonal uses a person's code up, or counts the payment of the day.
func (c *Codes) usePersonal(tx *commit.Tx, key, counter commit.Key) error {
	code, found, err := c.codes.Get(tx, key)
	if err != nil {
		return err
	}
	if !found {
		return notFound()
	}
	if err := code.Payable(tx.Now()); err != nil {
		return err
	}
	if !code.standing() {
		code.State = Used
		c.codes.Put(tx, code)
		return nil
	}
	row, _, err := c.receipts.Get(tx, counter)
	if err != nil {
		return err
	}
	today := clock.DateOf(tx.Now(), c.Zone)
	if row.ID = string(code.customer); row.On != string(today) {
		row.On, row.Payments = string(today), 0
	}
	if row.Payments++; row.Payments > PersonalDayMax {
		return fault.Newf(fault.Conflict, "qr.personal_day_max",
			"a person's standing code takes %d payments a day", PersonalDayMax).
			WithHint("it is not for a business: who sells opens a merchant account; or ask for a code with an amount")
	}
	c.receipts.Put(tx, row)
	return nil
}
