package instruction

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"os"
	"testing"

	"github.com/feiqian/feiqian/internal/jws"
)

// vectors are documents that both SDKs verify in their tests.
const vectors = "../../sdk/testdata/documents.json"

// TestVectors keeps the file in step with what is signed here. The key is that of RFC 8037, appendix A.
func TestVectors(t *testing.T) {
	t.Parallel()
	seed, err := base64.RawURLEncoding.DecodeString("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")
	if err != nil {
		t.Fatal(err)
	}
	signer := jws.New(ed25519.NewKeyFromSeed(seed))
	r := row{
		id: "pay_01kanq4j3qf8yt0v5d7r2m9xce", order: `{"merchant_id":"mer_1","reference":"茶 1"}`, paid: `{"method":"card"}`,
		orderSalt: encoded(make([]byte, saltSize)), paidSalt: encoded([]byte("0123456789abcdef")),
	}
	order, paid, err := r.hashes()
	if err != nil {
		t.Fatal(err)
	}
	if r.link, err = signer.Sign(
		LinkType,
		claims{Payment: r.id, Hash: linkOf(order, paid), IssuedAt: 1_800_000_000},
	); err != nil {
		t.Fatal(err)
	}
	result, err := signer.Sign("feiqian-app-result+jwt", map[string]any{
		"jti": "apr_1", "sub": r.id, "merchant_id": "mer_1", "app": "com.example.shop", "state": "succeeded",
		"amount": 1999, "currency": "CNY", "iat": 1_800_000_000, "exp": 1_800_000_600,
	})
	if err != nil {
		t.Fatal(err)
	}
	own, err := r.show(OrderHalf)
	if err != nil {
		t.Fatal(err)
	}
	channel, err := r.show(PaymentHalf)
	if err != nil {
		t.Fatal(err)
	}
	want, err := json.MarshalIndent(map[string]any{
		"keys": jws.KeySet{Keys: []jws.JWK{signer.Public()}}, "app_result": result, "order": own, "payment": channel,
	}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if os.Getenv("FEIQIAN_WRITE_DOCS") != "" {
		if err := os.WriteFile(vectors, append(want, '\n'), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(vectors)
	if err != nil || string(got) != string(want)+"\n" {
		t.Errorf("%s is not what is signed (%v); FEIQIAN_WRITE_DOCS=1 writes it", vectors, err)
	}
	for _, half := range []Instruction{own, channel} {
		if err := (&Instructions{Parts: Parts{Signer: signer}}).Verify(half); err != nil {
			t.Error(err)
		}
	}
}
