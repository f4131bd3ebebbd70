// Package limit says how much a payer may pay, and counts what was paid.
//
// Rules are data: one file for each jurisdiction in presets/, which staff can tighten and never loosen
// (change.go). A rule caps either one act or a sum of acts of a day, a year, a lifetime, or since the payer last
// proved two factors; it says for which account classes, methods and factors.
//
// Counters are facts, not verdicts: one row for each customer and currency with the sums by method and factors
// (counters.go), read, checked and written in the decision that moves the money, so that no race passes a limit
// (ask.go). So a rule that is new or changed counts what was paid before it.
//
// Refunds give nothing back: a payment that was made was made, and no source of the presets says otherwise. A
// withdrawal or top-up that the bank refused was not made and is given back (Back).
package limit

import (
	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/money"
)

// Method is how money is paid, or leaves or enters the balance.
type Method string

// The methods.
const (
	// Transfer goes to another person's balance.
	Transfer Method = "transfer"
	// Payment is a merchant's payment that the payer confirmed.
	Payment Method = "payment"
	// PaymentCode is a payment by a dynamic code that the payer showed.
	PaymentCode Method = "payment_code"
	// StaticCode is a payment by a printed code.
	StaticCode Method = "static_code"
	// Withdrawal goes to the payer's own bank account or card.
	Withdrawal Method = "withdrawal"
	// TopUp comes from the payer's own bank account or card.
	TopUp Method = "top_up"
	// CardPayment is a merchant's payment that a bank card pays (quick pay).
	CardPayment Method = "card_payment"
	// CardStaticCode is a CardPayment by a printed code.
	CardStaticCode Method = "card_static_code"
)

// Methods lists all methods.
func Methods() []Method {
	return []Method{Transfer, Payment, PaymentCode, StaticCode, Withdrawal, TopUp, CardPayment, CardStaticCode}
}

// Factors are the proofs that came with one act. They must be independent: the leak of one must not break another.
// A PIN shows knowledge only, a payment code possession only.
type Factors struct {
	// Knowledge is what only the payer knows: the payment PIN.
	Knowledge bool
	// Possession is what only the payer has: a phone that makes payment codes or gets one-time codes, an authenticator
	// app.
	Possession bool
	// Inherence is what the payer is: fingerprint, face, as the device checks it.
	Inherence bool
	// Signature is a digital certificate or e-signature over this very act; it is possession too.
	Signature bool
}

// Strength is what the rules ask of factors (PBOC 2015 No. 43 art. 24).
type Strength string

// The strengths.
const (
	// OneFactor is fewer than two kinds of factors.
	OneFactor Strength = "one_factor"
	// TwoFactors is two kinds or more, without certificate or e-signature.
	TwoFactors Strength = "two_factors"
	// Signed is two kinds or more with a certificate or e-signature.
	Signed Strength = "signed"
)

// Strengths lists all strengths, the weakest first.
func Strengths() []Strength { return []Strength{OneFactor, TwoFactors, Signed} }

// Strength counts the kinds of factors.
func (f Factors) Strength() Strength {
	kinds := 0
	for _, has := range [...]bool{f.Knowledge, f.Possession || f.Signature, f.Inherence} {
		if has {
			kinds++
		}
	}
	switch {
	case kinds < 2: //nolint:mnd // fewer than two, as the law has it
		return OneFactor
	case f.Signature:
		return Signed
	}
	return TwoFactors
}

// Period says what a rule caps.
type Period string

// The periods.
const (
	// Transaction is one act.
	Transaction Period = "transaction"
	// Day is the sum of a day of the operator's zone.
	Day Period = "day"
	// Year is the sum of a calendar year of the operator's zone.
	Year Period = "year"
	// Lifetime is the sum since the wallet was opened.
	Lifetime Period = "lifetime"
	// SinceTwoFactors is the sum since the payer last paid with two factors or more.
	SinceTwoFactors Period = "since_two_factors"
)

// Text is a text for people in both languages of the product.
type Text struct {
	Chinese string `json:"zh" toml:"zh" doc:"zh-CN"`
	English string `json:"en" toml:"en"`
}

// Rule is one limit of a preset. Empty Classes, Methods and Factors mean all.
type Rule struct {
	ID   string `json:"id" toml:"id" example:"cn.day.two_factors"`
	Kind string `json:"kind" toml:"kind" enum:"class,factors,qr,operator" doc:"What the rule is about."`
	// Level is the risk level of a QR payment, A to D; "" where the rule is about something else.
	Level  string `json:"level,omitempty" toml:"level"`
	Period Period `json:"period" toml:"period" enum:"transaction,day,year,lifetime,since_two_factors"`
	// Minor is the preset's figure in minor units; nil where it is left to the operator.
	Minor *int64 `json:"preset_minor,omitempty" toml:"amount_minor" doc:"Left out where the figure is the operator's."`
	// Currency is that of the figure; "" is any.
	Currency money.Currency `json:"currency,omitempty" toml:"currency"`
	Classes  []int64        `json:"account_classes" toml:"classes"`
	Methods  []Method       `json:"methods" toml:"methods"`
	Factors  []Strength     `json:"factors" toml:"factors"`
	// Source is where the figure is from.
	Source      string     `json:"source" toml:"source" example:"PBOC 2015 No. 43 art. 24 (2)"`
	EffectiveOn clock.Date `json:"effective_on" toml:"effective_on"`
	// EndsOn is the first day on which the rule is not in force any more; "" is never.
	EndsOn clock.Date `json:"ends_on,omitempty" toml:"ends_on"`
	Title  Text       `json:"title" toml:"title"`
	// Lifts says what would lift the limit.
	Lifts Text `json:"lifts" toml:"lifts"`
}

// Act is what the rules are asked about.
type Act struct {
	Customer id.Customer
	Amount   money.Amount
	Method   Method
	Factors  Factors
}
