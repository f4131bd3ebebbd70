package main

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/httpsig"
)

// TestSignCommand signs by key files of several kinds; what it prints holds.
func TestSignCommand(t *testing.T) {
	t.Parallel()
	dir, now := t.TempDir(), time.Unix(1_800_000_000, 0)
	body := filepath.Join(dir, "order.json")
	if err := os.WriteFile(body, []byte(`{"amount":1}`), 0o600); err != nil {
		t.Fatal(err)
	}
	public, ed, err1 := ed25519.GenerateKey(rand.Reader)
	ec, err2 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	pkcs8, err3 := x509.MarshalPKCS8PrivateKey(ed)
	sec1, err4 := x509.MarshalECPrivateKey(ec)
	for _, err := range []error{err1, err2, err3, err4} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		name string
		text string
		key  httpsig.Key
	}{
		{"pkcs8", pemText("PRIVATE KEY", pkcs8), httpsig.Key{Algorithm: httpsig.Ed25519, Public: public}},
		{
			"sec1", pemText("EC PARAMETERS", []byte{6, 8}) + pemText("EC PRIVATE KEY", sec1),
			httpsig.Key{Algorithm: httpsig.ECDSAP256, Public: ec.Public()},
		},
	} {
		file := filepath.Join(dir, test.name+".pem")
		if err := os.WriteFile(file, []byte(test.text), 0o600); err != nil {
			t.Fatal(err)
		}
		in := signInput{keyFile: file, keyID: "sgk_1", method: "post", bodyFile: body, idempotencyKey: "order-1"}
		var out strings.Builder
		if err := in.sign(&out, nil, "https://pay.example/v1/payments?dry_run=true", now); err != nil {
			t.Fatal(err)
		}
		message := httpsig.Message{
			Method: "POST", Path: "/v1/payments", RawQuery: "dry_run=true", Body: []byte(`{"amount":1}`),
			Header: http.Header{"Idempotency-Key": {"order-1"}},
		}
		for line := range strings.Lines(out.String()) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
			message.Header.Set(name, value)
		}
		find := func(string) (httpsig.Key, *httpsig.Flaw) { return test.key, nil }
		if _, wrong := httpsig.CheckRequest(message, find, now); wrong != nil {
			t.Errorf("%s: %v", test.name, wrong)
		}
	}
	in := signInput{keyFile: body, keyID: "sgk_1"}
	if err := in.sign(&strings.Builder{}, nil, "https://pay.example/v1/payments", now); err == nil {
		t.Error("took a file that is no key")
	}
}

func pemText(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}
