package api_test

import (
	"crypto/ed25519"
	"encoding/json"
	"strings"
	"testing"

	"github.com/feiqian/feiqian/internal/api/apitest"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/instruction"
	"github.com/feiqian/feiqian/internal/jws"
	"github.com/feiqian/feiqian/internal/party"
	feiqian "github.com/feiqian/feiqian/sdk/go"
)

func (s shop) instruction(name id.Payment) apitest.Request {
	return apitest.Request{Method: "POST", Path: "/v1/payments/" + string(name) + "/instruction", Token: s.token}
}

func (s shop) verifies(half instruction.Instruction) apitest.Request {
	return apitest.Request{Method: "POST", Path: "/v1/instructions/verify", Token: s.token, Body: half}
}

// asSDK is a half as a merchant's program has it.
func asSDK(t testing.TB, half instruction.Instruction) feiqian.Instruction {
	t.Helper()
	body, err := json.Marshal(half)
	must(t, err)
	var out feiqian.Instruction
	must(t, json.Unmarshal(body, &out))
	return out
}

// TestInstruction gives merchant and channel each their half: either verifies, by the server and offline, and tells
// nothing of the other.
func TestInstruction(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s, staff := w.shop(t, party.NewMerchant{}), w.colleague(t, party.RoleSupport, "")
		p, carded := w.person(t, 100_00), w.withCard(t)
		keys := w.platformKeys(t)
		order := map[string]any{"reference": "order-77", "description": "Longjing tea"}
		byBalance := w.orderOf(t, s, order)
		w.ok(t, 200, p.confirm(w, byBalance), nil)
		paid := w.carded(t, s, carded, 12_00, map[string]any{"reference": "order-78", "description": "Longjing tea"})
		w.until(t, paid.ID, "succeeded", s)
		for name, instrument := range map[id.Payment][]string{
			byBalance: {string(p.id), `"method":"balance"`},
			paid.ID:   {string(carded.id), `"method":"card"`, `"last4"`, "att_"},
		} {
			var own, again, channel instruction.Instruction
			w.ok(t, 200, s.instruction(name), &own)
			w.ok(t, 200, s.instruction(name), &again)
			if own != again {
				t.Error("a second instruction of one payment")
			}
			w.ok(t, 200, ops("GET", "/payments/"+string(name)+"/instruction", staff.token, nil), &channel)
			orders := []string{"order-7", "Longjing", string(s.id)}
			for _, text := range instrument {
				if strings.Contains(own.Text, text) || !strings.Contains(channel.Text, text) {
					t.Errorf("%q stands in %s or not in %s", text, own.Text, channel.Text)
				}
			}
			for _, text := range orders {
				if !strings.Contains(own.Text, text) || strings.Contains(channel.Text, text) {
					t.Errorf("%q stands not in %s or in %s", text, own.Text, channel.Text)
				}
			}
			if own.Link != channel.Link {
				t.Error("the halves are not linked by one signature")
			}
			for _, half := range []instruction.Instruction{own, channel} {
				w.ok(t, 200, s.verifies(half), nil)
				must(t, keys.VerifyInstruction(asSDK(t, half)))
			}
		}
		w.quiet(t)
		w.refused(t, 409, "instruction.not_paid", s.instruction(w.unpaid(t, s)))
		w.refused(t, 404, "payment.not_found", w.shop(t, party.NewMerchant{}).instruction(byBalance))
		w.refused(t, 404, "instruction.not_found",
			ops("GET", "/payments/"+string(w.unpaid(t, s))+"/instruction", staff.token, nil))
	})
}

// orderOf makes a payment with members of its own.
func (w *world) orderOf(t testing.TB, s shop, more map[string]any) id.Payment {
	t.Helper()
	var made struct{ ID id.Payment }
	w.ok(t, 201, s.order(w, 10_00, more), &made)
	return made.ID
}

func (w *world) unpaid(t testing.TB, s shop) id.Payment {
	t.Helper()
	made := w.created(t, s, 1_00).ID
	w.quiet(t)
	return made
}

// TestInstructionForged refuses halves that were changed, mixed or signed by others, here and offline.
func TestInstructionForged(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s, p := w.shop(t, party.NewMerchant{}), w.person(t, 100_00)
		keys := w.platformKeys(t)
		var good, other instruction.Instruction
		w.ok(t, 200, s.instruction(w.paid(t, s, p, 10_00).ID), &good)
		w.ok(t, 200, s.instruction(w.paid(t, s, p, 10_00).ID), &other)
		_, key, err := ed25519.GenerateKey(nil)
		must(t, err)
		forged, err := jws.New(key).Sign(instruction.LinkType, map[string]any{"sub": good.Payment, "hash": "x", "iat": 1})
		must(t, err)
		stranger, err := w.Instructions.Signer.Sign("feiqian-app-result+jwt", map[string]any{"sub": good.Payment})
		must(t, err)
		change := func(change func(half *instruction.Instruction)) instruction.Instruction {
			half := good
			change(&half)
			return half
		}
		for name, half := range map[string]instruction.Instruction{
			"Text":     change(func(h *instruction.Instruction) { h.Text = strings.Replace(h.Text, "1000", "1001", 1) }),
			"Salt":     change(func(h *instruction.Instruction) { h.Salt = other.Salt }),
			"NoSalt":   change(func(h *instruction.Instruction) { h.Salt = "" }),
			"Other":    change(func(h *instruction.Instruction) { h.OtherHash = other.OtherHash }),
			"NoOther":  change(func(h *instruction.Instruction) { h.OtherHash = "" }),
			"Half":     change(func(h *instruction.Instruction) { h.Half = instruction.PaymentHalf }),
			"Payment":  change(func(h *instruction.Instruction) { h.Payment = other.Payment }),
			"Link":     change(func(h *instruction.Instruction) { h.Link = other.Link }),
			"Forged":   change(func(h *instruction.Instruction) { h.Link = forged }),
			"Stranger": change(func(h *instruction.Instruction) { h.Link = stranger }),
		} {
			w.quiet(t)
			w.refused(t, 400, "instruction.invalid", s.verifies(half))
			if keys.VerifyInstruction(asSDK(t, half)) == nil {
				t.Errorf("%s: believed offline", name)
			}
		}
	})
}
