package httpsig_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"strings"
	"testing"

	"github.com/feiqian/feiqian/internal/httpsig"
)

func pemOf(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// TestParseKey_RoundTrip reads each kind of key in each form that it has.
func TestParseKey_RoundTrip(t *testing.T) {
	t.Parallel()
	for _, by := range signings() {
		want := publicOf(t, by)
		der, err := want.MarshalSPKI()
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{
			pemOf("PUBLIC KEY", der), "\n" + pemOf("PUBLIC KEY", der) + "\n", base64.StdEncoding.EncodeToString(der),
		} {
			got, err := httpsig.ParseKey(text, by.Algorithm)
			if err != nil || got.Algorithm != by.Algorithm {
				t.Fatalf("%s: %+v, %v", by.Algorithm, got, err)
			}
			first, _ := want.Thumbprint()
			if second, err := got.Thumbprint(); err != nil || first != second {
				t.Errorf("%s: another key came back: %v", by.Algorithm, err)
			}
		}
	}
}

func TestParseKey_JWK(t *testing.T) {
	t.Parallel()
	p256, err1 := publicOf(t, signings()[httpsig.ECDSAP256]).MarshalSPKI()
	sm2, err2 := publicOf(t, signings()[httpsig.SM2]).MarshalSPKI()
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	// The last 64 bytes of an SPKI are x and y.
	x := func(der []byte) string { return base64.RawURLEncoding.EncodeToString(der[len(der)-64 : len(der)-32]) }
	y := func(der []byte) string { return base64.RawURLEncoding.EncodeToString(der[len(der)-32:]) }
	rs, _ := signings()[httpsig.RSAPSS].Private.(*rsa.PrivateKey)
	n := base64.RawURLEncoding.EncodeToString(rs.N.Bytes())
	for text, want := range map[string]httpsig.Algorithm{
		`{"kty":"EC","crv":"P-256","x":"` + x(p256) + `","y":"` + y(p256) + `"}`: httpsig.ECDSAP256,
		`{"kty":"EC","crv":"SM2","x":"` + x(sm2) + `","y":"` + y(sm2) + `"}`:     httpsig.SM2,
		`{"kty":"RSA","n":"` + n + `","e":"AQAB"}`:                               httpsig.RSAPSS,
	} {
		if got, err := httpsig.ParseKey(text, ""); err != nil || got.Algorithm != want {
			t.Errorf("%s: %+v, %v", want, got.Algorithm, err)
		}
	}
}

func TestParseKey_Refused(t *testing.T) {
	t.Parallel()
	ec, _ := signings()[httpsig.ECDSAP256].Private.(*ecdsa.PrivateKey)
	private, err := x509.MarshalPKCS8PrivateKey(ec)
	if err != nil {
		t.Fatal(err)
	}
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	weak, _ := x509.MarshalPKIXPublicKey(short.Public())
	other, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p384, _ := x509.MarshalPKIXPublicKey(other.Public())
	good, _ := publicOf(t, signings()[httpsig.Ed25519]).MarshalSPKI()
	for name, test := range map[string]struct {
		text      string
		algorithm httpsig.Algorithm
		private   bool
	}{
		"Empty":          {text: " "},
		"Long":           {text: strings.Repeat("a", httpsig.KeyTextMax+1)},
		"Nonsense":       {text: "hello"},
		"PrivatePEM":     {text: pemOf("PRIVATE KEY", private), private: true},
		"PrivateBase64":  {text: base64.StdEncoding.EncodeToString(private), private: true},
		"PrivateJWK":     {text: `{"kty":"OKP","crv":"Ed25519","x":"","d":"AA"}`, private: true},
		"SharedSecret":   {text: `{"kty":"oct","k":"AA"}`, private: true},
		"ShortRSA":       {text: pemOf("PUBLIC KEY", weak)},
		"OtherCurve":     {text: pemOf("PUBLIC KEY", p384)},
		"Certificate":    {text: pemOf("CERTIFICATE", good)},
		"Two":            {text: pemOf("PUBLIC KEY", good) + pemOf("PUBLIC KEY", good)},
		"OtherAlgorithm": {text: pemOf("PUBLIC KEY", good), algorithm: httpsig.RSAPSS},
		"NoAlgorithm":    {text: pemOf("PUBLIC KEY", good), algorithm: "hmac-sha256"},
		"OffCurve":       {text: `{"kty":"EC","crv":"P-256","x":"` + strings.Repeat("A", 42) + `E","y":"` + strings.Repeat("A", 42) + `E"}`},
		"OffCurveSM2":    {text: `{"kty":"EC","crv":"SM2","x":"` + strings.Repeat("A", 42) + `E","y":"` + strings.Repeat("A", 42) + `E"}`},
		"SmallExponent":  {text: `{"kty":"RSA","n":"` + strings.Repeat("_", 342) + `","e":"Aw"}`},
	} {
		_, err := httpsig.ParseKey(test.text, test.algorithm)
		if err == nil || errors.Is(err, httpsig.ErrPrivateKey) != test.private {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzParseKey reads any text as a key; what is a key comes back as itself.
func FuzzParseKey(f *testing.F) {
	for _, by := range signings() {
		der, _ := publicOf(f, by).MarshalSPKI()
		f.Add(pemOf("PUBLIC KEY", der), string(by.Algorithm))
		f.Add(base64.StdEncoding.EncodeToString(der), "")
	}
	f.Add(`{"kty":"EC","crv":"SM2","x":"AA","y":"AA"}`, "")
	f.Fuzz(func(t *testing.T, text, algorithm string) {
		key, err := httpsig.ParseKey(text, httpsig.Algorithm(algorithm))
		if err != nil {
			return
		}
		der, err := key.MarshalSPKI()
		if err != nil {
			t.Fatal(err)
		}
		again, err := httpsig.ParseSPKI(der, key.Algorithm)
		if err != nil || again.Algorithm != key.Algorithm {
			t.Fatalf("not the same again: %v", err)
		}
		key.Verify([]byte("base"), []byte(text))
	})
}
