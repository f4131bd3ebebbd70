package bankhttp

import (
	"slices"

	"github.com/feiqian/feiqian/internal/channel"
)

// CardsName is the name of the channel to bank cards where the Config gives none.
const CardsName = "card"

// CardTerms returns limits and price of card orders where the Config gives none: 0.01 to 50,000 yuan a time, at 20
// basis points. What a customer may pay is less: the limits of the card's agreement.
func CardTerms() []channel.Terms {
	return []channel.Terms{{Currency: "CNY", Min: 1, Max: 50_000_00, CostRate: 20}}
}

// NewCards returns the channel to a card issuer, whose accounts are cards: a pay-in debits a card under its quick pay
// agreement, a pay-out credits it, a refund gives a debit back. Its endpoints stand under /issuer/v1. A card's token
// comes with its agreement (package card), so this channel does not bind. It does not call the issuer.
//
// Errors: a setting that is missing or wrong.
func NewCards(config Config) (*Channel, error) {
	if config.Name == "" {
		config.Name = CardsName
	}
	if config.Title == "" {
		config.Title = "Bank card"
	}
	if config.Terms == nil {
		config.Terms = CardTerms()
	}
	c, err := New(config)
	if err != nil {
		return nil, err
	}
	c.prefix = "/issuer/v1"
	c.capabilities.Kinds = slices.DeleteFunc(c.capabilities.Kinds, func(k channel.Kind) bool {
		return k == channel.KindBind
	})
	return c, nil
}
