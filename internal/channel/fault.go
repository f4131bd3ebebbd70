package channel

import "github.com/feiqian/feiqian/internal/fault"

// The codes of the port's faults. With OutcomeUnknown, the transport's codes say why we do not know.
const (
	// CodeNoAnswer means that no answer came: time-out, broken connection, host not reached.
	CodeNoAnswer = "channel.no_answer"
	// CodeBadAnswer means that an answer came that cannot be read or is not signed by the channel.
	CodeBadAnswer = "channel.bad_answer"
	// CodeAnswerMismatch means that a signed answer tells of another reference, kind or amount.
	CodeAnswerMismatch = "channel.answer_mismatch"
	// CodeChannelFailed means that the channel says it failed and does not say what it did.
	CodeChannelFailed = "channel.failed"
	// CodeReferenceReused means that the channel has another order under this reference.
	CodeReferenceReused = "channel.reference_reused"
	// CodeNotSupported means that the channel cannot do this, or not in this currency.
	CodeNotSupported = "channel.not_supported"
	// CodeNotConfigured means that this instance has no channel at all: no money can come in or go out.
	CodeNotConfigured = "channel.not_configured"
	// CodeAmountOutOfRange means that the amount is below or above the channel's limits.
	CodeAmountOutOfRange = "channel.amount_out_of_range"
	// CodeInvalidOrder means that the order lacks a reference, an account or an amount.
	CodeInvalidOrder = "channel.invalid_order"
	// CodeBadCursor means that a statement's cursor is not one the channel gave.
	CodeBadCursor = "channel.bad_cursor"
	// CodeBadNotice means that a callback is not a trustworthy notice.
	CodeBadNotice = "channel.bad_notice"
	// CodeContradiction means that the channel says the opposite of what it said before, or of what
	// follows from it. A person has to look; nothing is changed.
	CodeContradiction = "channel.contradiction"
	// CodeUnknownState means that a stored state or a given outcome is none of ours.
	CodeUnknownState = "channel.unknown_state"
)

// bindCodePrefix stands in front of a decline code to make the code of Bind's fault.
const bindCodePrefix = "channel."

// BindFault returns the fault that Bind answers when the bank declines: its code is "channel." and
// the decline code.
func BindFault(code DeclineCode) *fault.Fault {
	message, param := "the bank does not let this account be linked", ""
	switch code { //nolint:exhaustive // every other code has the general message.
	case DeclineAccountNotFound:
		message, param = "the bank does not know this account number", "number"
	case DeclineNameMismatch:
		message, param = "the holder's name is not the one the bank has", "holder_name"
	case DeclineAccountClosed:
		message, param = "this account is closed", "number"
	}
	return fault.New(fault.Invalid, bindCodePrefix+string(code), message).WithParam(param)
}

func notSupported(message string) *fault.Fault {
	return fault.New(fault.Invalid, CodeNotSupported, message)
}
