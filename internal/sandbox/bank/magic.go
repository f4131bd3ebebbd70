package bank

import (
	"github.com/feiqian/feiqian/internal/money"
)

// Effect is what a magic amount does.
type Effect string

const (
	// EffectNone is an ordinary amount.
	EffectNone Effect = ""
	// EffectDecline refuses the order with the line's decline code.
	EffectDecline Effect = "decline"
	// EffectSlow answers late.
	EffectSlow Effect = "slow_answer"
	// EffectBookedNoAnswer books and never answers.
	EffectBookedNoAnswer Effect = "booked_no_answer"
	// EffectLostNoAnswer neither books nor answers.
	EffectLostNoAnswer Effect = "lost_no_answer"
	// EffectBookedError books and answers 500.
	EffectBookedError Effect = "booked_error"
	// EffectPendingSuccess answers pending, books a little later and sends a notice.
	EffectPendingSuccess Effect = "pending_success"
	// EffectPendingDecline answers pending, declines a little later and sends a notice.
	EffectPendingDecline Effect = "pending_decline"
	// EffectNoticeThrice sends the notice three times.
	EffectNoticeThrice Effect = "notice_thrice"
	// EffectNoticeLate books, drops the answer and sends the notice late.
	EffectNoticeLate Effect = "notice_late"
	// EffectBadSignature books and signs the answer with a wrong key.
	EffectBadSignature Effect = "bad_signature"
	// EffectNoticeContradicts books, answers so, and later sends a notice that says declined.
	EffectNoticeContradicts Effect = "notice_contradicts"
)

// MagicAmount is a line of the table of amounts that choose an outcome: it applies to every order
// whose amount in minor units leaves Remainder when divided by MagicModulus. Example is the smallest
// such amount of a currency with two decimals.
type MagicAmount struct {
	Remainder   int64  `json:"remainder"`
	Example     string `json:"example"`
	Effect      Effect `json:"effect"`
	DeclineCode string `json:"decline_code,omitempty"`
	Description string `json:"description"`
}

// MagicModulus divides an amount in minor units to find its line in MagicAmounts.
const MagicModulus = 10_000

// MagicAmounts returns the table. An amount applies by its last four digits in minor units, 9001 to
// 9020: 90.01, 190.01, 1290.01 yuan and so on. All other amounts succeed if the money is there.
//
//	90.01  declined: insufficient_funds
//	90.02  declined: do_not_honor
//	90.03  declined: account_closed
//	90.04  declined: limit_exceeded
//	90.05  declined: suspected_fraud
//	90.11  succeeds, the answer comes after 2 s
//	90.12  booked, but no answer: the connection is held, then dropped
//	90.13  not booked, and no answer
//	90.14  booked, but the answer is an error 500
//	90.15  pending, then booked after 1 s with a notice
//	90.16  pending, then declined after 1 s with a notice
//	90.17  succeeds, the notice comes three times
//	90.18  booked, no answer, the notice comes after 5 s
//	90.19  booked, but the answer has a wrong signature
//	90.20  succeeds, and 1 s later a notice says declined
//
// What happens to the answer happens once: the same reference sent again gets the stored result.
// Only 90.13 is lost every time.
func MagicAmounts() []MagicAmount {
	decline := func(remainder int64, example string, code string) MagicAmount {
		return MagicAmount{remainder, example, EffectDecline, code, "declined: " + code}
	}
	other := func(remainder int64, example string, effect Effect, description string) MagicAmount {
		return MagicAmount{remainder, example, effect, "", description}
	}
	return []MagicAmount{
		decline(9001, "90.01", declineInsufficientFunds),
		decline(9002, "90.02", declineDoNotHonor),
		decline(9003, "90.03", declineAccountClosed),
		decline(9004, "90.04", declineLimitExceeded),
		decline(9005, "90.05", declineSuspectedFraud),
		other(9011, "90.11", EffectSlow, "succeeds, the answer comes late"),
		other(9012, "90.12", EffectBookedNoAnswer, "booked, but no answer: the connection is held, then dropped"),
		other(9013, "90.13", EffectLostNoAnswer, "not booked, and no answer"),
		other(9014, "90.14", EffectBookedError, "booked, but the answer is an error 500"),
		other(9015, "90.15", EffectPendingSuccess, "pending, then booked with a notice"),
		other(9016, "90.16", EffectPendingDecline, "pending, then declined with a notice"),
		other(9017, "90.17", EffectNoticeThrice, "succeeds, the notice comes three times"),
		other(9018, "90.18", EffectNoticeLate, "booked, no answer, the notice comes late"),
		other(9019, "90.19", EffectBadSignature, "booked, but the answer has a wrong signature"),
		other(9020, "90.20", EffectNoticeContradicts, "succeeds, and a later notice says declined"),
	}
}

// magicOf returns the table's line for amount, or one without effect.
func magicOf(table []MagicAmount, amount money.Amount) MagicAmount {
	remainder := amount.Minor % MagicModulus
	for _, line := range table {
		if line.Remainder == remainder {
			return line
		}
	}
	return MagicAmount{}
}
