package checkout

import (
	"context"
	"slices"
	"time"

	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/ledger"
	"github.com/feiqian/feiqian/internal/limit"
	"github.com/feiqian/feiqian/internal/money"
)

// Way is one way to pay, for this payer, amount and device.
type Way struct {
	Method string     `json:"method" enum:"balance,card,phone,payment_code"`
	Card   id.Card    `json:"card_id,omitempty" doc:"With method card: which one."`
	Title  limit.Text `json:"title"`
	Usable bool       `json:"usable"`
	Reason limit.Text `json:"reason" doc:"Why it is best, or why it can't be used."`
	// Left is nil where no figure is known.
	Left *int64 `json:"left_minor,omitempty" doc:"What can still be paid this way now."`
	// Factors are ways to confirm, each complete.
	Factors []string `json:"factors,omitempty" doc:"Ways to confirm it, each complete: pin, pin+code, pin+totp, passkey."`

	effort int
}

// Visit is who looks for a way to pay, and what for. Customer is "" before somebody signs in.
type Visit struct {
	Customer    id.Customer
	DeviceSince time.Time
	Amount      money.Amount
	// ByCode says that a store's printed code is paid.
	ByCode bool
	// OnPhone says that the page is on a phone: it can't scan itself.
	OnPhone bool
	// Manual says that the merchant captures later, which cards can't.
	Manual bool
}

// method is one line of the list of ways: what it offers a visit.
type method func(ctx context.Context, c *Checkouts, v Visit) ([]Way, error)

// one makes a method of what offers one way; nil where it offers nothing.
func one(offer func(ctx context.Context, c *Checkouts, v Visit) (*Way, error)) method {
	return func(ctx context.Context, c *Checkouts, v Visit) ([]Way, error) {
		way, err := offer(ctx, c, v)
		if way == nil || err != nil {
			return nil, err
		}
		return []Way{*way}, nil
	}
}

// methods is the list of ways to pay. A new one is a function and a line here.
func methods() []method { return []method{one(balance), cards, one(phone), one(paymentCode)} }

// Ways lists the ways to pay, the best first: usable ones, by what they cost the payer in money (nothing, today) and
// effort.
func (c *Checkouts) Ways(ctx context.Context, v Visit) ([]Way, error) {
	out := []Way{}
	for _, offer := range methods() {
		ways, err := offer(ctx, c, v)
		if err != nil {
			return nil, err
		}
		out = append(out, ways...)
	}
	slices.SortStableFunc(out, func(a, b Way) int {
		if a.Usable != b.Usable {
			if a.Usable {
				return -1
			}
			return 1
		}
		return a.effort - b.effort
	})
	return out, nil
}

// Efforts of ways, the least first.
const (
	effortOneTap = iota
	effortCard   // as many taps, and a bank to wait for
	effortScan
	effortSignIn
	effortScanSelf
	effortAtCounter
)

// balance pays from the wallet's balance on this page.
func balance(ctx context.Context, c *Checkouts, v Visit) (*Way, error) {
	way := &Way{
		Method: "balance", Title: limit.Text{Chinese: "钱包余额", English: "Wallet balance"}, Usable: true,
		effort: effortSignIn,
		Reason: limit.Text{Chinese: "登录后付款，免手续费", English: "sign in and pay, free of charge"},
	}
	if v.Customer == "" {
		return way, nil
	}
	way.effort = effortOneTap
	way.Reason = limit.Text{Chinese: "一步完成，免手续费", English: "one step, free of charge"}
	held, err := c.Ledger.Balance(ctx, ledger.Account(ledger.UserBalance, v.Amount.Currency, string(v.Customer)))
	if err != nil {
		return nil, err
	}
	today, err := c.Limits.Today(ctx, v.Customer, v.Amount.Currency)
	if err != nil {
		return nil, err
	}
	asked := auth.Asks(auth.Situation{
		Act: auth.ActPayment, Amount: v.Amount, Today: today, DeviceSince: v.DeviceSince, Now: c.Clock.Now(),
	})
	way.Factors = asked.Factors
	how := limit.Payment
	if v.ByCode {
		how = limit.StaticCode
	}
	left, rule, err := c.left(ctx, v, how, asked.Need)
	if err != nil {
		return nil, err
	}
	if held.Available.Minor < v.Amount.Minor {
		way.Usable = false
		way.Reason = limit.Text{Chinese: "余额不足，请先充值", English: "the balance is too low: top up first"}
	}
	if rule != nil && left < v.Amount.Minor {
		way.Usable = false
		way.Reason = overLimit(rule)
	}
	can := held.Available.Minor
	if rule != nil {
		can = min(can, left)
	}
	way.Left = &can
	return way, nil
}

// left is what the tightest rule leaves to a payment that is confirmed as it must be; nil where none has a figure.
func (c *Checkouts) left(
	ctx context.Context, v Visit, how limit.Method, need auth.Need,
) (int64, *limit.Remaining, error) {
	standing, err := c.Limits.Of(ctx, v.Customer)
	if err != nil {
		return 0, nil, err
	}
	strength := map[auth.Need]limit.Strength{
		auth.NeedOne: limit.OneFactor, auth.NeedTwo: limit.TwoFactors, auth.NeedSignature: limit.Signed,
	}[need]
	var tightest *limit.Remaining
	for i := range standing.Limits {
		rule := &standing.Limits[i]
		if rule.Left == nil || rule.Currency != v.Amount.Currency ||
			len(rule.Methods) > 0 && !slices.Contains(rule.Methods, how) ||
			len(rule.Factors) > 0 && !slices.Contains(rule.Factors, strength) {
			continue
		}
		if tightest == nil || *rule.Left < *tightest.Left {
			tightest = rule
		}
	}
	if tightest == nil {
		return 0, nil, nil
	}
	return *tightest.Left, tightest, nil
}

// phone pays on another device, which scans the page's code.
func phone(_ context.Context, _ *Checkouts, v Visit) (*Way, error) {
	if v.ByCode {
		return nil, nil //nolint:nilnil // the payer has scanned already
	}
	way := &Way{
		Method: "phone", Title: limit.Text{Chinese: "手机扫码", English: "Scan with the phone"}, Usable: true,
		effort: effortScan,
		Reason: limit.Text{
			Chinese: "不必在这台设备上输入密码", English: "no password on this device",
		},
	}
	if v.OnPhone {
		way.effort = effortScanSelf
		way.Reason = limit.Text{Chinese: "用另一部手机扫描", English: "with another phone"}
	}
	return way, nil
}

// paymentCode is shown at a counter: a hint, since this page can't scan it.
func paymentCode(context.Context, *Checkouts, Visit) (*Way, error) {
	return &Way{
		Method: "payment_code", Title: limit.Text{Chinese: "付款码", English: "Payment code"}, effort: effortAtCounter,
		Reason: limit.Text{
			Chinese: "在店里向收银员出示钱包里的付款码", English: "in the shop, show the payment code in your wallet at the counter",
		},
	}, nil
}
