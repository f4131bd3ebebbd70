package main

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/feiqian/feiqian/internal/httpsig"
)

// signInput is what the command is told.
type signInput struct {
	keyFile, keyID, algorithm, method, bodyFile, idempotencyKey string
}

func signCommand() *cobra.Command {
	var in signInput
	command := &cobra.Command{
		Use:   "sign URL",
		Short: "Sign a request to /v1 (RFC 9421) and print its headers, for curl",
		Long: "Sign a request to /v1 by a private key and print Content-Digest, Signature-Input and Signature, one a\n" +
			"line, as curl -H @- takes them. A signature is taken once, within five minutes.",
		Example: "  feiqian sign --key-file key.pem --key-id sgk_… --method POST --body order.json \\\n" +
			"    --idempotency-key order-1 http://127.0.0.1:8080/v1/payments | \\\n" +
			"    curl -H @- -H \"Authorization: Bearer $FEIQIAN_KEY\" -H 'Content-Type: application/json' \\\n" +
			"    -H 'Idempotency-Key: order-1' --data-binary @order.json \\\n" +
			"    http://127.0.0.1:8080/v1/payments",
		Args: cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			return in.sign(
				command.OutOrStdout(),
				command.InOrStdin(),
				args[0],
				time.Now(), //nolint:forbidigo // a tool of its own
			)
		},
	}
	flags := command.Flags()
	flags.StringVar(&in.keyFile, "key-file", "", "private key as PEM: PKCS #8, or the older forms of EC and RSA keys")
	flags.StringVar(&in.keyID, "key-id", "", "id of the registered public key: sgk_…")
	flags.StringVar(
		&in.algorithm,
		"algorithm",
		"",
		"rsa-v1_5-sha256 for RSA keys registered for it; else it follows from the key",
	)
	flags.StringVar(&in.method, "method", http.MethodGet, "HTTP method")
	flags.StringVar(&in.bodyFile, "body", "", "file with the body, - for standard input")
	flags.StringVar(&in.idempotencyKey, "idempotency-key", "", "Idempotency-Key that is sent too")
	_ = command.MarkFlagRequired("key-file")
	_ = command.MarkFlagRequired("key-id")
	return command
}

// sign writes the headers.
func (in signInput) sign(out io.Writer, stdin io.Reader, address string, now time.Time) error {
	target, err := url.Parse(address)
	if err != nil || target.Host == "" {
		return errors.New("name the whole address: https://pay.example.com/v1/payments")
	}
	by, err := readSigning(in)
	if err != nil {
		return err
	}
	var body []byte
	switch in.bodyFile {
	case "":
	case "-":
		body, err = io.ReadAll(stdin)
	default:
		body, err = os.ReadFile(in.bodyFile)
	}
	if err != nil {
		return fmt.Errorf("read the body: %w", err)
	}
	message := httpsig.Message{
		Method: strings.ToUpper(in.method), Scheme: target.Scheme, Authority: target.Host, Path: target.EscapedPath(),
		RawQuery: target.RawQuery, Header: http.Header{}, Body: body,
	}
	if in.idempotencyKey != "" {
		message.Header.Set("Idempotency-Key", in.idempotencyKey)
	}
	if err := httpsig.SignRequest(message, by, now); err != nil {
		return fmt.Errorf("sign: %w", err)
	}
	for _, name := range []string{"Content-Digest", "Signature-Input", "Signature"} {
		if value := message.Header.Get(name); value != "" {
			if _, err := fmt.Fprintf(out, "%s: %s\n", name, value); err != nil {
				return fmt.Errorf("write: %w", err)
			}
		}
	}
	return nil
}

// readSigning reads the private key. What is wrong with it is said without showing it.
func readSigning(in signInput) (httpsig.Signing, error) {
	text, err := os.ReadFile(in.keyFile)
	if err != nil {
		return httpsig.Signing{}, fmt.Errorf("read the key: %w", err)
	}
	by := httpsig.Signing{KeyID: in.keyID}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if by.Private = privateOf(block.Bytes); by.Private != nil {
			break // openssl writes the parameters of EC keys in front
		}
	}
	switch by.Private.(type) {
	case ed25519.PrivateKey:
		by.Algorithm = httpsig.Ed25519
	case *ecdsa.PrivateKey:
		by.Algorithm = httpsig.ECDSAP256
	case *rsa.PrivateKey:
		by.Algorithm = httpsig.RSAPSS
	case httpsig.SM2Signer:
		by.Algorithm = httpsig.SM2
	default:
		return httpsig.Signing{}, errors.New("the key file holds no private key for Ed25519, P-256, RSA or SM2 as PEM; " +
			"make one: openssl genpkey -algorithm ed25519 -out key.pem")
	}
	if in.algorithm != "" {
		by.Algorithm = httpsig.Algorithm(in.algorithm)
	}
	return by, nil
}

// privateOf returns the private key of DER, nil for none.
func privateOf(der []byte) any {
	if key, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		return key
	}
	if key, err := x509.ParseECPrivateKey(der); err == nil {
		return key
	}
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key
	}
	if key, err := httpsig.ParseSM2Private(der); err == nil {
		return key
	}
	return nil
}
