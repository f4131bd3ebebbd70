package auth

import (
	"slices"
	"strings"
	"time"

	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/limit"
	"github.com/feiqian/feiqian/internal/money"
)

// Factors are the kinds of proof that a confirmation carried: what only the payer knows (the PIN), what only the payer
// has (a phone that gets a code, an authenticator app, a passkey), what the payer is (a passkey checks finger, face or
// the device's own PIN), and a signature over payee and amount (PBOC 2015 No. 43 art. 22; EU 2018/389 art. 4 and 5).
type Factors struct {
	Knowledge  bool
	Possession bool
	Inherence  bool
	Signature  bool
}

// Count returns how many independent factors there are; a signature is no factor of its own.
func (f Factors) Count() int {
	n := 0
	for _, has := range []bool{f.Knowledge, f.Possession, f.Inherence} {
		if has {
			n++
		}
	}
	return n
}

// Need says how strong a confirmation must be.
type Need string

// The needs, from the weakest.
const (
	// NeedOne is one factor: the PIN or a passkey.
	NeedOne Need = "one_factor"
	// NeedTwo is two independent factors: the PIN with a code or an app, or a passkey.
	NeedTwo Need = "two_factors"
	// NeedSignature is two factors with a signature over payee and amount: a passkey.
	NeedSignature Need = "signature"
)

// MetBy reports whether the factors are enough.
func (n Need) MetBy(f Factors) bool {
	switch n {
	case NeedSignature:
		return f.Count() >= 2 && f.Signature
	case NeedTwo:
		return f.Count() >= 2
	case NeedOne:
		return f.Count() >= 1
	}
	return false
}

// rank orders needs.
func (n Need) rank() int { return slices.Index([]Need{NeedOne, NeedTwo, NeedSignature}, n) }

// newDeviceFor is how long a device counts as new.
const newDeviceFor = 24 * time.Hour

// StepUpRule is one line of the policy: where it applies, at least Need is asked for. Above is in minor units and
// exclusive.
type StepUpRule struct {
	Currency money.Currency
	Above    int64
	// Daily adds what was paid today in weaker ways than Need; see limit.Today.
	Daily     bool
	NewDevice bool
	Need      Need
	Reason    string
	Source    string
}

// StepUpPolicy is the table of which act needs which factors. It says what is asked for before an act; package limit
// counts what a day's factors allow in the same commit as the money. Lines are in order of need.
func StepUpPolicy() []StepUpRule {
	return []StepUpRule{
		{
			Currency: "CNY", Above: 1_000_00, Daily: true, Need: NeedTwo, Reason: "amount_above_one_factor",
			Source: "PBOC 2015 No. 43 art. 24: less than two factors, 1,000 CNY a day",
		},
		{
			Currency: "CNY", Above: 500_00, NewDevice: true, Need: NeedTwo, Reason: "new_device",
			Source: "ours: a device of less than a day",
		},
		{
			Currency: "CNY", Above: 5_000_00, Daily: true, Need: NeedSignature, Reason: "amount_above_two_factors",
			Source: "PBOC 2015 No. 43 art. 24: two factors without a signature, 5,000 CNY a day",
		},
	}
}

// Situation is what the policy looks at. Today is what was paid today, without this act, in the currency of Amount;
// only payments and transfers add to it.
type Situation struct {
	Act         ActKind
	Amount      money.Amount
	Today       limit.Today
	DeviceSince time.Time
	Now         time.Time
	// ByCard says that a bank card pays.
	ByCard bool
}

// StepUp is what an act needs and why.
type StepUp struct {
	Need    Need     `json:"need" enum:"one_factor,two_factors,signature"`
	Reason  string   `json:"reason,omitempty" doc:"Which line of the policy asks for more than one factor."`
	Factors []string `json:"factors" doc:"Ways to confirm it, each complete: pin, pin+code, pin+totp, passkey."`
}

func (r *StepUpRule) appliesTo(s Situation, isNew bool) bool {
	var paid int64
	switch {
	case !r.Daily || !s.Today.Capped:
	case r.Need == NeedTwo:
		paid = s.Today.OneFactor
	default:
		paid = s.Today.TwoFactors
	}
	if s.Act == ActTopUp || (s.Act == ActWithdrawal || s.ByCard) && r.Need == NeedSignature {
		return false
	}
	return r.Currency == s.Amount.Currency && (!r.NewDevice || isNew) && paid+s.Amount.Minor > r.Above
}

// Asks applies the policy. A top-up brings money in from an account of the payer's own and needs one factor; a
// withdrawal goes to one, which the rules of art. 24 leave out, and needs no signature; nor does what a bank card pays,
// of which art. 10 leaves the limits to its bank.
func Asks(s Situation) StepUp {
	need, reason := NeedOne, ""
	isNew := s.Now.Sub(s.DeviceSince) < newDeviceFor
	// Need by need: where one factor is enough today, nobody asks how much was paid with two.
	for _, rule := range StepUpPolicy() {
		if rule.Need.rank() == need.rank()+1 && rule.appliesTo(s, isNew) {
			need, reason = rule.Need, rule.Reason
		}
	}
	ways := map[Need][]string{
		NeedOne: {"pin", "passkey"}, NeedTwo: {"pin+code", "pin+totp", "passkey"}, NeedSignature: {"passkey"},
	}
	return StepUp{Need: need, Reason: reason, Factors: ways[need]}
}

func stepUpRequired(s StepUp) *fault.Fault {
	return fault.Newf(fault.Forbidden, "auth.step_up_required", "this needs %s (%s): confirm with %s",
		strings.ReplaceAll(string(s.Need), "_", " "), s.Reason, strings.Join(s.Factors, " or ")).
		WithParam("factors").WithHint("ask POST /wallet/v1/confirmations what it needs, and for a code or a challenge")
}
