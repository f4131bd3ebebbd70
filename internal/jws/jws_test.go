package jws_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/feiqian/feiqian/internal/jws"
)

const kind = "test+jwt"

type claims struct {
	Subject string `json:"sub"`
}

func signer(t *testing.T, seed string) *jws.Signer {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(seed)
	if err != nil {
		t.Fatal(err)
	}
	return jws.New(ed25519.NewKeyFromSeed(raw))
}

// TestVector holds key and thumbprint against RFC 8037, appendix A.1 to A.3.
func TestVector(t *testing.T) {
	t.Parallel()
	public := signer(t, "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").Public()
	if public.X != "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" ||
		public.ID != "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k" {
		t.Errorf("%+v", public)
	}
}

// TestVerify refuses whatever is not exactly what was signed.
func TestVerify(t *testing.T) {
	t.Parallel()
	own := signer(t, "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")
	other := signer(t, "TM0Imyj_ltqdtsNG7BFOD1uKMZ81q6Yk2oz27U-4pvs")
	good, err := own.Sign(kind, claims{"pay_1"})
	if err != nil {
		t.Fatal(err)
	}
	var got claims
	if err := own.Verify(kind, good, &got); err != nil || got.Subject != "pay_1" {
		t.Fatalf("%v %+v", err, got)
	}
	parts := strings.Split(good, ".")
	foreign, err := other.Sign(kind, claims{"pay_1"})
	if err != nil {
		t.Fatal(err)
	}
	more, err := own.Sign(kind, map[string]string{"sub": "pay_1", "more": "x"})
	if err != nil {
		t.Fatal(err)
	}
	text := func(v any) string {
		body, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(body)
	}
	for name, bad := range map[string]string{
		"Empty": "", "NoDots": "x", "TwoParts": parts[0] + "." + parts[1], "FourParts": good + ".x",
		"OtherKey": foreign, "OtherClaims": parts[0] + "." + text(claims{"pay_2"}) + "." + parts[2],
		"None":      text(map[string]string{"alg": "none"}) + "." + parts[1] + ".",
		"OtherKind": text(map[string]string{"alg": "EdDSA", "kid": own.Public().ID, "typ": "x"}) + "." + parts[1] + "." + parts[2],
		"NotStrict": good + "=", "MoreClaims": more, "Long": good + strings.Repeat("A", jws.Max),
	} {
		if err := own.Verify(kind, bad, &claims{}); !errors.Is(err, jws.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := own.Verify("other+jwt", good, &got); !errors.Is(err, jws.ErrInvalid) {
		t.Errorf("as another kind: %v", err)
	}
}
