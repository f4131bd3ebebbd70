package feiqian

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"net/http"
)

// Instruction makes the instruction of a paid payment, once, and returns your half: the order with what proves it. The
// instrument is only a hash in it. Errors: payment.not_found, instruction.not_paid.
func (p Payments) Instruction(ctx context.Context, id string) (*Instruction, error) {
	name, err := segment(id)
	if err != nil {
		return nil, err
	}
	var made Instruction
	err = p.client.send(ctx, http.MethodPost, "/v1/payments/"+name+"/instruction", nil, nil, &made)
	if err != nil {
		return nil, err
	}
	return &made, nil
}

// ErrInstruction says that a half of an instruction was not signed by the platform with the other, or was changed.
var ErrInstruction = errors.New("feiqian: not a genuine half of a payment instruction")

const (
	instructionType    = "feiqian-instruction+jwt"
	instructionVersion = "feiqian-instruction/1"
	orderHalf          = "order"
	paymentHalf        = "payment"
	instructionSalt    = 16
)

// VerifyInstruction checks one half, of whichever party, without asking anybody: that its text and the hidden half were
// signed together for the payment that it names. Errors: [ErrInstruction].
func (k PlatformKeys) VerifyInstruction(half Instruction) error {
	salt, err := base64.RawURLEncoding.Strict().DecodeString(half.Salt)
	if err != nil || len(salt) != instructionSalt {
		return ErrInstruction
	}
	other, err := base64.RawURLEncoding.Strict().DecodeString(half.OtherHash)
	if err != nil || len(other) != sha256.Size {
		return ErrInstruction
	}
	name := string(half.Half)
	own := sha256.Sum256(append(append(append([]byte(name), 0), salt...), half.Text...))
	both := append([]byte(instructionVersion), 0)
	switch name {
	case orderHalf:
		both = append(append(both, own[:]...), other...)
	case paymentHalf:
		both = append(append(both, other...), own[:]...)
	default:
		return ErrInstruction
	}
	sum := sha256.Sum256(both)
	var said struct {
		Payment string `json:"sub"`
		Hash    string `json:"hash"`
	}
	if k.verify(instructionType, half.Link, &said) != nil || said.Payment != half.PaymentID ||
		subtle.ConstantTimeCompare([]byte(said.Hash), []byte(base64.RawURLEncoding.EncodeToString(sum[:]))) != 1 {
		return ErrInstruction
	}
	return nil
}
