// Package wallet is a customer's account as the customer has it: open or not, and what the payer shows, the
// payment code, 24 digits that a merchant scans. The payer's phone computes it, also offline, from the
// secret of its device; code.go says how. state.go freezes, thaws and closes.
//
// A code is used inside the decision that pays with it: UseCode checks it against the locked row of
// its device and marks it there, so each code works once, on any number of nodes. Only a code that comes after
// the last one used, by step and then by n, is taken.
package wallet

import (
	"context"
	"crypto/subtle"
	"sync"
	"time"

	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/ledger"
	"github.com/feiqian/feiqian/internal/money"
	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/vault"
)

const (
	secretVersion = 1
	ownersMax     = 100_000
)

// Wallets makes and checks payment codes, and keeps a customer and the customer's accounts in one state.
type Wallets struct {
	Parts

	mu     sync.Mutex
	owners *party.Bounded[string, owner] // by handle; whose a device is never changes
}

type owner struct {
	device   id.Device
	customer id.Customer
}

// Parts are what Wallets is made of. Devices are rows of package auth; Currencies are those of the customers'
// accounts.
type Parts struct {
	Committer  *commit.Committer
	Clock      *clock.Clock
	Vault      *vault.Vault
	Auth       *auth.Auth
	Parties    *party.Parties
	Ledger     *ledger.Ledger
	Currencies []money.Currency
}

// New returns Wallets on its parts.
func New(parts Parts) *Wallets {
	return &Wallets{Parts: parts, owners: party.NewBounded[string, owner](ownersMax)}
}

// Secret returns the secret of a device, with which its codes are made. It is given to the phone at
// sign-in, over the session, and to nobody else.
func (w *Wallets) Secret(device id.Device) [vault.KeySize]byte {
	return w.Vault.DeviceSecret(device, secretVersion)
}

// NextCode makes the next payment code for a phone that is online, and says until when it holds.
// Nothing is stored: asked twice before a code is used, it gives the same one.
//
// Errors: auth.device_not_found, wallet.device_revoked, auth.device_proof_missing (a device that proves itself makes
// its codes by itself), wallet.code_wait (Limited, with RetryAfter: ten codes were used within a step).
func (w *Wallets) NextCode(ctx context.Context, name id.Device) (string, time.Time, error) {
	device, err := w.Auth.Device(ctx, name)
	if err != nil {
		return "", time.Time{}, err
	}
	if device.State != auth.DeviceActive {
		return "", time.Time{}, fault.New(fault.Forbidden, "wallet.device_revoked", "this device can't pay any more").
			WithHint("sign in again")
	}
	if device.Proves { // or a stolen session token would be worth a payment without any proof
		return "", time.Time{}, fault.New(fault.Forbidden, "auth.device_proof_missing",
			"this device has promised to prove itself: it makes its payment codes").
			WithHint("compute the code from the device's secret, which proves that it has it")
	}
	now := w.Clock.Now()
	step, n := StepOf(now), 0
	if device.CodeStep >= step { // also a step ahead, when the phone's clock was
		step, n = device.CodeStep, int(device.CodeN)+1
	}
	if n > nMax {
		step, n = step+1, 0
	}
	if opens := startOf(step - stepsAround); opens.After(now) {
		wait := opens.Sub(now)
		return "", time.Time{}, fault.New(fault.Limited, "wallet.code_wait", "too many payments in half a minute").
			WithRetryAfter(wait)
	}
	return ComputeCode(w.Secret(device.ID), device.Handle, step, n), startOf(step + stepsAround + 1), nil
}

// startOf returns the first instant of a step.
func startOf(step int64) time.Time { return time.Unix(step*int64(StepTime/time.Second), 0).UTC() }

// Resolve returns the device and the customer that a handle names. A caller needs them to declare the
// customer's rows before the decision. Errors: wallet.code_invalid.
func (w *Wallets) Resolve(ctx context.Context, handle string) (id.Device, id.Customer, error) {
	w.mu.Lock()
	known, there := w.owners.Get(handle)
	w.mu.Unlock()
	if there {
		return known.device, known.customer, nil
	}
	device, err := w.Auth.DeviceByHandle(ctx, handle)
	if fault.CodeOf(err) == "auth.device_not_found" {
		return "", "", codeInvalid()
	}
	if err != nil {
		return "", "", err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.owners.Put(handle, owner{device: device.ID, customer: device.Customer})
	return device.ID, device.Customer, nil
}

// CodeKey names the row that UseCode reads; the decision declares it.
func (w *Wallets) CodeKey(handle string) commit.Key {
	return w.Auth.DeviceTable.KeyBy("handle", handle)
}

// Check does the arithmetic of UseCode ahead of the decision, which runs alone and should be short: the
// result is the code with the step at which it is right for that device. It decides nothing.
func (w *Wallets) Check(code Code, device id.Device) Code {
	now := StepOf(w.Clock.Now())
	code.device, code.step = device, match(w.Secret(device), code, now-stepsAround, now+stepsAround)
	return code
}

// UseCode checks a payment code within a decision that declared CodeKey, marks it as used, and returns
// its device. Once the decision commits, the code is burnt, also if the payment was declined. A caller that
// acted on Resolve compares the device's customer with what it was told.
//
// Errors (all Invalid, nothing written): wallet.code_invalid (wrong, or of a revoked device),
// wallet.code_expired (right, but more than a step away from now), wallet.code_used.
func (w *Wallets) UseCode(tx *commit.Tx, code Code) (auth.Device, error) {
	device, found, err := w.Auth.DeviceTable.Get(tx, w.CodeKey(code.Handle))
	if err != nil {
		return auth.Device{}, err
	}
	if !found || device.State != auth.DeviceActive {
		return auth.Device{}, codeInvalid()
	}
	now := StepOf(tx.Now())
	step := code.step
	if code.device != device.ID || step < now-stepsAround || step > now+stepsAround {
		step = match(w.Secret(device.ID), code, now-stepsAround, now+stepsAround)
	}
	if step < 0 {
		secret := w.Secret(device.ID)
		if match(secret, code, now-stepsKnown, now+stepsKnown) >= 0 {
			return auth.Device{}, refusal("wallet.code_expired", "this payment code is out of date")
		}
		return auth.Device{}, codeInvalid()
	}
	n := int64(code.n)
	if step < device.CodeStep || step == device.CodeStep && n <= device.CodeN {
		return auth.Device{}, refusal("wallet.code_used", "this payment code was used before")
	}
	device.CodeStep, device.CodeN = step, n
	w.Auth.DeviceTable.Put(tx, device)
	return device, nil
}

// match returns the latest step of a range at which the code is right, −1 for none. Its time does not
// depend on where the code differs, nor on which step matches.
func match(secret [vault.KeySize]byte, code Code, from, to int64) int64 {
	maker := newMaker(secret, code.Handle)
	found := -1
	for i := range int(to-from) + 1 {
		right := subtle.ConstantTimeCompare(maker.otp(from+int64(i), code.n), code.otp[:])
		found = subtle.ConstantTimeSelect(right, i, found)
	}
	if found < 0 {
		return -1
	}
	return from + int64(found)
}

func codeInvalid() error { return refusal("wallet.code_invalid", "this payment code is not valid") }

func refusal(code, message string) error {
	return fault.New(fault.Invalid, code, message).WithParam("payment_code").
		WithHint("ask the payer for a fresh code")
}
