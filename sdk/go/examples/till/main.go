// Command till charges the payment code of a payer's phone, as a till scanned it: one call, one final answer.
//
//	FEIQIAN_URL=http://127.0.0.1:8080 FEIQIAN_KEY=sk_sandbox_… go run ./sdk/go/examples/till '9500 0000 …'
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"strings"

	feiqian "github.com/feiqian/feiqian/sdk/go"
)

func main() {
	if err := charge(context.Background(), strings.Join(os.Args[1:], "")); err != nil {
		log.Fatal(err)
	}
}

func charge(ctx context.Context, scanned string) error {
	client, err := feiqian.New(os.Getenv("FEIQIAN_KEY"), feiqian.WithBaseURL(os.Getenv("FEIQIAN_URL")))
	if err != nil {
		return err
	}
	code, err := feiqian.ParsePaymentCode(scanned)
	if err != nil {
		return err
	}
	payment, err := client.Payments.Create(ctx, feiqian.NewPayment{Amount: 1200, Currency: "CNY", PaymentCode: code})
	if strings.HasPrefix(feiqian.CodeOf(err), "wallet.code_") {
		fmt.Println("ask for a fresh code:", feiqian.CodeOf(err))
		return nil
	}
	if err != nil {
		return err
	}
	fmt.Println(payment.State, payment.DeclineCode)
	return nil
}
