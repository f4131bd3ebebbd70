// Command sell sells something by a payment that the payer confirms, waits for the payment, and refunds a part of it.
//
//	FEIQIAN_URL=http://127.0.0.1:8080 FEIQIAN_KEY=sk_sandbox_… go run ./sdk/go/examples/sell
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	feiqian "github.com/feiqian/feiqian/sdk/go"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := sell(ctx); err != nil {
		log.Fatal(err) //nolint:gocritic // the time-out ends with the program
	}
}

func sell(ctx context.Context) error {
	client, err := feiqian.New(os.Getenv("FEIQIAN_KEY"), feiqian.WithBaseURL(os.Getenv("FEIQIAN_URL")))
	if err != nil {
		return err
	}
	reference := fmt.Sprintf("order-%d", time.Now().UnixNano())
	payment, err := client.Payments.Create(ctx, feiqian.NewPayment{
		Amount: 1999, Currency: "CNY", Reference: reference, Description: "Tea for two",
	}, feiqian.Key(reference))
	if err != nil {
		return err
	}
	fmt.Println("created", payment.ID)

	// Follow the events: they come in order, and none is lost. A shop keeps NextCursor in its database.
	for page, err := range client.Events.Follow(ctx, feiqian.EventFilter{Subject: payment.ID}) {
		if err != nil {
			return err
		}
		if page.Data[len(page.Data)-1].Kind == "payment.succeeded" {
			break
		}
	}

	// What counts is what the API says now.
	paid, err := client.Payments.Get(ctx, payment.ID)
	if err != nil {
		return err
	}
	fmt.Println(paid.State, paid.Amount, paid.Currency)

	refund, err := client.Payments.Refund(ctx, payment.ID, feiqian.NewRefund{Amount: 500, Reason: "cold"})
	if err != nil {
		return err
	}
	fmt.Println("refund", refund.State, refund.Amount)
	return nil
}
