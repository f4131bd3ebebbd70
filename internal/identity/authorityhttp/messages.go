package authorityhttp

import "github.com/feiqian/feiqian/internal/identity"

// query is the body of POST /authority/v1/CHANNEL.
type query struct {
	Reference string   `json:"reference"`
	Name      string   `json:"name"`
	Document  document `json:"document"`
	Phone     string   `json:"phone,omitempty"`
	Card      string   `json:"card_number,omitempty"`
	Account   string   `json:"account_number,omitempty"`
}

type document struct {
	Kind      string `json:"kind"`
	Country   string `json:"country"`
	Number    string `json:"number"`
	BirthOn   string `json:"birth_on"`
	ExpiresOn string `json:"expires_on,omitempty"`
}

func queryOf(q identity.Query) query {
	return query{
		Reference: string(q.Reference), Name: q.Document.Name, Phone: q.Phone, Card: q.Card, Account: q.Account,
		Document: document{
			Kind: string(q.Document.Kind), Country: q.Document.Country, Number: q.Document.Number,
			BirthOn: string(q.Document.BirthOn), ExpiresOn: string(q.Document.ExpiresOn),
		},
	}
}

// reply is the body of POST /authority/v1/CHANNEL/answers.
type reply struct {
	Reference   string `json:"reference"`
	Try         int64  `json:"try"`
	AmountMinor int64  `json:"amount_minor"`
}

// answer is what the party says to both.
type answer struct {
	Reference string `json:"reference"`
	Channel   string `json:"channel"`
	Outcome   string `json:"outcome"`
}
