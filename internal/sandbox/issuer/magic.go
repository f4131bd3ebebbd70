package issuer

import (
	"strconv"
	"strings"
)

// Effect is what goes wrong with a card.
type Effect string

// The effects. Those of a confirmation leave the platform without a word; Query then tells the truth.
const (
	EffectNone            Effect = ""
	EffectNotAllowed      Effect = "not_allowed"          // refused at the start: no quick pay for this card
	EffectBlocked         Effect = "blocked"              // refused at the start
	EffectStartNoAnswer   Effect = "start_no_answer"      // a code was sent, no answer
	EffectStartError      Effect = "start_error"          // status 500
	EffectStartBadSigned  Effect = "start_bad_signature"  // the answer is not signed by the issuer
	EffectSignedNoAnswer  Effect = "signed_no_answer"     // the agreement is signed, no answer
	EffectLostNoAnswer    Effect = "lost_no_answer"       // the code got lost, no answer
	EffectSignedError     Effect = "signed_error"         // the agreement is signed, status 500
	EffectSignedBadSigned Effect = "signed_bad_signature" // the agreement is signed, the answer is not
	EffectDeclined        Effect = "declined"             // refused at the confirmation
	EffectCancelNoAnswer  Effect = "cancel_no_answer"     // cancelled, the first call gets no answer
	EffectCancelError     Effect = "cancel_error"         // not cancelled and status 500, the first time
)

// Magic is one line of the table of numbers that choose what goes wrong.
type Magic struct {
	Digits int    `json:"digits"` // the three digits before the check digit
	Effect Effect `json:"effect"`
}

// MagicNumbers is the table: the three digits of a card number before its check digit choose.
func MagicNumbers() []Magic {
	return []Magic{
		{901, EffectNotAllowed},
		{902, EffectBlocked},
		{903, EffectStartNoAnswer},
		{904, EffectStartError},
		{905, EffectStartBadSigned},
		{911, EffectSignedNoAnswer},
		{912, EffectLostNoAnswer},
		{913, EffectSignedError},
		{914, EffectSignedBadSigned},
		{915, EffectDeclined},
		{921, EffectCancelNoAnswer},
		{922, EffectCancelError},
	}
}

const magicDigits = 3

func effectOf(number string) Effect {
	if len(number) <= magicDigits {
		return EffectNone
	}
	digits, err := strconv.Atoi(number[len(number)-1-magicDigits : len(number)-1])
	if err != nil {
		return EffectNone
	}
	for _, m := range MagicNumbers() {
		if m.Digits == digits {
			return m.Effect
		}
	}
	return EffectNone
}

// NumberForm says how Number makes a card number.
type NumberForm struct {
	Prefix string
	Length int
	Serial int
	Magic  int // 0 to 999; see MagicNumbers
}

// Number makes a card number with a right check digit (Luhn, ISO/IEC 7812-1 annex B).
func Number(form NumberForm) string {
	width := form.Length - len(form.Prefix) - magicDigits - 1
	serial := strconv.Itoa(form.Serial)
	serial = strings.Repeat("0", max(0, width-len(serial))) + serial
	magic := strconv.Itoa(form.Magic)
	body := form.Prefix + serial + strings.Repeat("0", magicDigits-len(magic)) + magic
	sum := 0
	for i := range len(body) {
		n := int(body[len(body)-1-i] - '0')
		if i%2 == 0 {
			if n *= 2; n > 9 {
				n -= 9
			}
		}
		sum += n
	}
	return body + strconv.Itoa((10-sum%10)%10)
}
