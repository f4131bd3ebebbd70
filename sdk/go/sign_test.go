package feiqian_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/emmansun/gmsm/sm2"

	"github.com/feiqian/feiqian/internal/httpsig"
	feiqian "github.com/feiqian/feiqian/sdk/go"
)

// TestSigner signs by each algorithm, checks as the server does, and sends again with a fresh signature.
func TestSigner(t *testing.T) {
	t.Parallel()
	_, ed, err1 := ed25519.GenerateKey(rand.Reader)
	ec, err2 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	rs, err3 := rsa.GenerateKey(rand.Reader, 2048)
	sm, err4 := sm2.GenerateKey(rand.Reader)
	for _, err := range []error{err1, err2, err3, err4} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for algorithm, key := range map[string]crypto.Signer{
		feiqian.AlgorithmEd25519: ed, feiqian.AlgorithmECDSAP256: ec, feiqian.AlgorithmRSAPSS: rs,
		feiqian.AlgorithmRSAPKCS1: rs, feiqian.AlgorithmSM2: sm,
	} {
		t.Run(algorithm, func(t *testing.T) {
			t.Parallel()
			signer := signerOf(t, key, algorithm)
			public := httpsig.Key{ID: "sgk_1", Algorithm: httpsig.Algorithm(algorithm), Public: key.Public()}
			client, nonces := signedServer(t, public, signer)
			_, err := client.Payments.Create(t.Context(), feiqian.NewPayment{Amount: 1, Currency: "CNY"}, feiqian.DryRun())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := client.Payments.Get(t.Context(), "pay_1"); err != nil {
				t.Fatal(err)
			}
			if len(nonces) != 3 {
				t.Errorf("%d nonces for three tries", len(nonces))
			}
		})
	}
}

// signerOf makes a signer, through PEM where there is one. SM2 shows how a Signer of one's own is made.
func signerOf(t *testing.T, key crypto.Signer, algorithm string) feiqian.Signer {
	t.Helper()
	if private, ok := key.(*sm2.PrivateKey); ok {
		return feiqian.SignerFunc{ID: "sgk_1", Func: func(base []byte) ([]byte, error) {
			der, err := private.SignWithSM2(rand.Reader, []byte("1234567812345678"), base)
			if err != nil {
				return nil, err
			}
			var point struct{ R, S *big.Int }
			if _, err := asn1.Unmarshal(der, &point); err != nil {
				return nil, err
			}
			return append(point.R.FillBytes(make([]byte, 32)), point.S.FillBytes(make([]byte, 32))...), nil
		}}
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	signer, err := feiqian.ParseSigner("sgk_1", string(text), algorithm)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

// signedServer checks each request as the platform does and asks for patience once.
func signedServer(t *testing.T, key httpsig.Key, signer feiqian.Signer) (*feiqian.Client, map[string]bool) {
	t.Helper()
	var mu sync.Mutex
	nonces := map[string]bool{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		body, _ := io.ReadAll(r.Body)
		message := httpsig.Message{
			Method: r.Method, Path: r.URL.EscapedPath(), RawQuery: r.URL.RawQuery, Header: r.Header, Body: body,
		}
		find := func(string) (httpsig.Key, *httpsig.Flaw) { return key, nil }
		got, wrong := httpsig.CheckRequest(message, find, time.Now())
		if wrong != nil || nonces[got.Nonce] {
			t.Errorf("refused: %v", wrong)
		}
		if nonces[got.Nonce] = true; len(nonces) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = w.Write([]byte(`{"id":"pay_1"}`))
	}))
	t.Cleanup(server.Close)
	client, err := feiqian.New("sk_sandbox_1", feiqian.WithBaseURL(server.URL), feiqian.WithSigner(signer))
	if err != nil {
		t.Fatal(err)
	}
	return client, nonces
}

func TestSigner_Refused(t *testing.T) {
	t.Parallel()
	ec, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := feiqian.NewSigner("sgk_1", ec, ""); err == nil {
		t.Error("took a key on P-384")
	}
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	if _, err := feiqian.NewSigner("sgk_1", ed, feiqian.AlgorithmRSAPSS); err == nil {
		t.Error("took a key of another algorithm")
	}
	for _, text := range []string{"", "hello", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"} {
		if _, err := feiqian.ParseSigner("sgk_1", text, ""); err == nil {
			t.Errorf("took %q", text)
		}
	}
	for _, name := range []string{"", "a b", `a"b`} {
		signer, _ := feiqian.NewSigner(name, ed, "")
		if _, err := feiqian.New("sk_sandbox_1", feiqian.WithSigner(signer)); err == nil {
			t.Errorf("took the key id %q", name)
		}
	}
}
