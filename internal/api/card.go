package api

import (
	"context"

	"github.com/feiqian/feiqian/internal/card"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/vault"
)

// Bank cards and their quick pay agreements: /wallet/v1/cards.

func (s *Services) cardEndpoints() []Endpoint {
	route := func(method, path, name, summary, description string) Route {
		return Route{
			Method: method, Path: "/wallet/v1/cards" + path, Actor: ActorCustomer, Tag: "Cards", Name: name,
			Summary: summary, Description: description,
		}
	}
	bind := route(post, "", "bind_card", "Bind a bank card: its bank sends a code",
		"绑定银行卡：核对姓名、证件号、卡号和预留手机号，由发卡行发送验证码。卡号加密保存，不回显。\n\n"+
			"The bank checks name, document, number and phone, and sends a code to the phone. Nothing is stored "+
			"where it refuses.")
	bind.Status = 201
	return []Endpoint{
		Handle(bind, s.bindCard),
		Handle(route(get, "", "list_cards", "List cards, also those that were unbound",
			"列出银行卡，包括已解绑的。"), s.listCards),
		Handle(route(get, "/{id}", "get_card", "Read a card", "查询一张银行卡。"), s.getCard),
		Handle(route(post, "/{id}/confirm", "confirm_card", "Enter the code that the bank sent",
			"提交发卡行的验证码。发卡行没有回答时，状态为 confirming，稍后查询即可。\n\n"+
				"Where the bank does not answer, the card is `confirming`: read it again a little later."), s.confirmCard),
		Handle(route(put, "/{id}/default", "set_default_card", "Make a card the default one", "设为默认卡。"), s.setDefaultCard),
		Handle(route(del, "/{id}", "unbind_card", "Unbind a card; its number is destroyed",
			"解绑银行卡：卡号立即销毁，快捷支付协议终止。"), s.unbindCard),
		Handle(route(get, "/{id}/agreement", "get_card_agreement", "Read a card's quick pay agreement",
			"查询快捷支付协议及限额。"), s.getAgreement),
		Handle(route(put, "/{id}/agreement", "change_card_agreement", "Change limits, suspend or resume",
			"修改限额、暂停或恢复快捷支付协议。提高限额或恢复需要支付密码。\n\n"+
				"A higher limit and resuming need the payment PIN."), s.changeAgreement),
		Handle(route(post, "/{id}/agreement/check", "check_card_agreement", "Ask the bank whether the agreement stands",
			"向发卡行复核协议状态和限额。"), s.checkAgreement),
		Handle(route(del, "/{id}/agreement", "cancel_card_agreement", "Cancel a quick pay agreement for good",
			"终止快捷支付协议，不可恢复；卡仍保持绑定。"), s.cancelAgreement),
	}
}

type bindCardBody struct {
	Number     string `json:"number" minLength:"13" maxLength:"40" doc:"The card number, 13 to 19 digits; blanks are allowed. It is sealed and never shown again."`
	HolderName string `json:"holder_name" minLength:"1" maxLength:"64" doc:"As the bank has it."`
	Document   string `json:"document_number" minLength:"5" maxLength:"32" doc:"The document the bank knows the holder by; it is not kept."`
	Phone      string `json:"phone" minLength:"1" maxLength:"32" doc:"The phone that the bank knows."`
	ExpiresOn  string `json:"expires_on,omitempty" maxLength:"7" doc:"A credit card's last month, YYYY-MM." example:"2031-05"`
	PIN        string `json:"pin" minLength:"6" maxLength:"6" doc:"The payment PIN, six digits."`
}

type bindCardRequest struct {
	Body bindCardBody
}

func (s *Services) bindCard(ctx context.Context, req *bindCardRequest) (*card.Card, error) {
	if err := active(ctx); err != nil {
		return nil, err
	}
	pan, err := vault.ParsePAN(req.Body.Number)
	if err != nil {
		return nil, err
	}
	bound, err := s.Cards.Bind(ctx, card.BindRequest{
		Customer: CallerOf(ctx).Customer, PAN: pan, HolderName: req.Body.HolderName, Document: req.Body.Document,
		Phone: req.Body.Phone, ExpiresOn: req.Body.ExpiresOn, PIN: req.Body.PIN,
	})
	return &bound, err
}

func (s *Services) listCards(ctx context.Context, req *Paging) (*Page[card.Card], error) {
	cards, err := s.Cards.List(ctx, CallerOf(ctx).Customer, id.Card(req.Cursor), req.Limit+1)
	if err != nil {
		return nil, err
	}
	return NewPage(cards, req.Limit, func(c card.Card) string { return string(c.ID) }), nil
}

type cardRequest struct {
	ID id.Card `path:"id"`
}

func (s *Services) getCard(ctx context.Context, req *cardRequest) (*card.Card, error) {
	found, err := s.Cards.Of(ctx, CallerOf(ctx).Customer, req.ID)
	return &found, err
}

type confirmCardBody struct {
	Code string `json:"code" minLength:"4" maxLength:"8" pattern:"^[0-9]+$" doc:"The code that the bank sent."`
}

type confirmCardRequest struct {
	ID   id.Card `path:"id"`
	Body confirmCardBody
}

func (s *Services) confirmCard(ctx context.Context, req *confirmCardRequest) (*card.Card, error) {
	if err := active(ctx); err != nil {
		return nil, err
	}
	bound, err := s.Cards.Confirm(ctx, CallerOf(ctx).Customer, req.ID, req.Body.Code)
	return &bound, err
}

func (s *Services) setDefaultCard(ctx context.Context, req *cardRequest) (*card.Card, error) {
	if err := active(ctx); err != nil {
		return nil, err
	}
	set, err := s.Cards.SetDefault(ctx, CallerOf(ctx).Customer, req.ID)
	return &set, err
}

// unbindCard is open to frozen customers too: it can only make them safer.
func (s *Services) unbindCard(ctx context.Context, req *cardRequest) (*NoContent, error) {
	return &NoContent{}, s.Cards.Unbind(ctx, CallerOf(ctx).Customer, req.ID)
}

func (s *Services) getAgreement(ctx context.Context, req *cardRequest) (*card.Terms, error) {
	terms, err := s.Cards.Terms(ctx, CallerOf(ctx).Customer, req.ID)
	return &terms, err
}

type changeAgreementBody struct {
	State       *card.AgreementState `json:"state,omitempty" enum:"active,suspended"`
	Transaction *int64               `json:"transaction_limit,omitempty" minimum:"1" doc:"Most for one payment, in minor units of the agreement's currency."`
	Day         *int64               `json:"day_limit,omitempty" minimum:"1" doc:"Most for a day, in minor units."`
	PIN         string               `json:"pin,omitempty" maxLength:"6" doc:"The payment PIN; needed for a higher limit and to resume."`
}

type changeAgreementRequest struct {
	ID   id.Card `path:"id"`
	Body changeAgreementBody
}

func (s *Services) changeAgreement(ctx context.Context, req *changeAgreementRequest) (*card.Terms, error) {
	if err := active(ctx); err != nil {
		return nil, err
	}
	terms, err := s.Cards.ChangeTerms(ctx, card.TermsChange{
		Customer: CallerOf(ctx).Customer, Card: req.ID, State: req.Body.State, Transaction: req.Body.Transaction,
		Day: req.Body.Day, PIN: req.Body.PIN,
	})
	return &terms, err
}

func (s *Services) checkAgreement(ctx context.Context, req *cardRequest) (*card.Terms, error) {
	if err := active(ctx); err != nil {
		return nil, err
	}
	terms, err := s.Cards.CheckAgreement(ctx, CallerOf(ctx).Customer, req.ID)
	return &terms, err
}

func (s *Services) cancelAgreement(ctx context.Context, req *cardRequest) (*NoContent, error) {
	_, err := s.Cards.CancelAgreement(ctx, CallerOf(ctx).Customer, req.ID)
	return &NoContent{}, err
}
