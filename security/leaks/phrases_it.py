"""Italian ways to say that somebody is a customer, as (name, weight, phrase) on folded text, without accents.

A blank matches any gap between words, `<` and `>` an edge of a word. Weight `status` marks phrases that a question
or an "if" makes harmless.
"""

from __future__ import annotations

from typing import Final

_YOUR: Final = "(?:suo|sua|suoi|sue|tuo|tua|tuoi|tue|vostr[oaie])"
_KIND: Final = "(?:(?:nuov|vecchi|prim|second|stess)[oa] |nostr[oa] |attuale |nuovi |nuove )?"
_PRODUCT: Final = (
    "(?:cont[oi](?: corrente| correnti| deposito)?|c c|cart[ae](?! d identita)|bancomat|prepagat[ae]|ricaricabil[ei]|mutu[oi]|prestit[oi]|"
    "finanziament[oi]|"
    "deposit[oi]|libretto|fido|leasing|polizz[ae]|investiment[oi]|portafogli[oa]?|dossier|titoli|saldo|giacenza|"
    "bonific[oi]|"
    "stipendio|pensione|rat[ae]|iban|assegn[oi]|estratt[oi] conto|moviment[oi]|home banking|internet banking|risparmi|"
    "addebit[oi]|accredit[oi]|preliev[oi]|cassetta di sicurezza|credenziali|pin|bollo|commission[ei]|pagament[oi]|operazion[ei]|transazion[ei]|rapporto(?! (?:con|tra))|scoperto)"
)
_BANK: Final = (
    "(?:con noi|presso di noi|da noi|presso noi|presso la nostra (?:banca|filiale)|nella nostra banca|in banca da noi)"
)
_DONE: Final = (
    "(?:verificat|controllat|consultat|esaminat|analizzat|guardat|vist|bloccat|sbloccat|chius|aggiornat|corrett|"
    "sistemat|"
    "rimborsat|ricaricat|riattivat|sospes|cercat|trovat|rintracciat|riaccreditat|addebitat|accreditat|stornat)[oaie]"
)
_MONEY_DONE: Final = (
    "(?:addebitat|accreditat|rimborsat|stornat|bloccat|sbloccat|riaccreditat|trattenut|applicat|erogat|concess|riattivat|"
    "pignorat|prelevat|"
    "restituit|liquidat|negat|sospes)[oaie]"
)
_OPENED: Final = "(?:aperto|acceso|sottoscritto|stipulato|attivato|estinto|chiuso)"
_HARMLESS: Final = (
    "(?! (?:gia |appena |anche |ancora |un |una |dei |delle |alcune |qualche |tante |ragione|torto|bisogno|"
    "ricevut|aspett|attes)*"
    "(?:scritt|pubblic|chiest|segnalat|domand|menzionat|taggat|contattat|postat|comment|avut|inviat|mandat|"
    "rispost|difficolt|problem|"
    "dubbi|richiest|ragione|torto|bisogno|ricevut|aspett|attes|delus|arrabbiat|molto|preoccupat|rimast|provat|"
    "comunicat|esposto|incontrat))"
)
_STORES: Final = "(?:sistemi|archivi|registri|database|elenchi|dati)"

ITALIAN: Final = (
    ("your product", "block", f"(?<!per\\x20)<{_YOUR} {_KIND}{_PRODUCT}>"),
    (
        "your product",
        "block",
        "(?<!per\\x20)<(?:cont[oi]|cart[ae]|mutuo|prestito|saldo|bonifico)(?: corrente)? (?:suo|sua|tuo|tua|"
        "vostr[oa])(?! malgrado)>",
    ),
    (
        "as our customer",
        "block",
        "<(?:come|in quanto|da|quale|essendo) (?:un[oa]? )?nostr[oa] (?:\\w{3,12} )?(?:cliente|correntista)>",
    ),
    (
        "as a customer",
        "block",
        "<(?:in quanto|essendo|visto che (?:sei|e)|dato che (?:sei|e)|poiche (?:sei|e)) (?:gia )?(?:cliente|"
        "correntista|titolare)>",
    ),
    ("as our customer", "block", "<come (?:correntista|mutuatari[oa]|intestatari[oa]|cliente (?:di|della))>"),
    (
        "as our customer",
        "block",
        "<nostr[oa] (?:affezionat|fedel|stimat|car|vecchi|buon|otti)\\w{1,3} (?:cliente|correntista)>",
    ),
    ("as our customer", "block", "<in qualita di (?:nostr[oa] )?(?:cliente|correntista|titolare)>"),
    ("you have with us", "status", f"<(?:avendo|possedendo) (?:lei |tu )?(?:un|una|due|tre|il|la|piu) {_PRODUCT}>"),
    (
        "in your name",
        "block",
        "<(?:bonifico|accredito|assegno|rimborso|storno) (?:\\w{1,12} )?a (?:suo|tuo|vostro) favore>",
    ),
    (
        "we have done",
        "block",
        "<(?:confermo|confermiamo|verificato|vediamo) che (?:il|la) (?:conto|carta|mutuo|prestito|bonifico|addebito|rimborso) "
        "(?:non )?(?:e|era) (?:gia |ancora )?stat[oa]>",
    ),
    (
        "your product",
        "block",
        f"<{_YOUR} (?:domanda|richiesta) e stata (?:approvata|respinta|accolta|rifiutata|deliberata|declinata)>",
    ),
    ("refunded", "block", "<(?:lei e|sei)(?: gia)? stat[oa] (?:gia )?rimborsat[oa]>"),
    (
        "refunded",
        "block",
        "<(?:le|ti|vi|la) (?:rimborser\\w{2,4}|rimborsiamo|storner\\w{2,4}|storniamo|riaccredit\\w{2,6}|accrediter\\w{2,4})>",
    ),
    ("records", "block", "<(?:compar|risult|figur)\\w{1,3} (?:tra|fra) i nostri (?:clienti|correntisti)>"),
    ("your product", "block", f"<sulla {_YOUR} posizione>"),
    ("your people", "warn", f"<{_YOUR} (?:soldi|denaro)>"),
    (
        "is a customer",
        "status",
        "<(?:sei|siete|risulti|risulta|risultate)(?: gia| anche| ancora| un[oa]?| essere| piu| stat[oa]|"
        " da anni| da tempo){0,3}"
        "(?: nostr[oaie])?(?: affezionat[oa]| buon[oa]?)? (?:client[ei]|correntist[ai]|titolar[ei] d|intestatari[oa])",
    ),
    (
        "is a customer",
        "status",
        "<(?:lei|tu) (?:non )?(?:e|sei|era|eri|fosse)(?: gia| ancora| anche| piu| un[oa]?){0,2} (?:cliente|"
        "correntista|titolare d|intestatari[oa])",
    ),
    (
        "is a customer",
        "status",
        "<e(?: gia| ancora| anche| sempre| un[oa]?| stat[oa]){0,2} nostr[oa] (?:cliente|correntista)>",
    ),
    (
        "is no customer",
        "status",
        "<non (?:e|sei|siete|era|eri|risult\\w{1,4})(?: piu| ancora| mai stat[oa]| un[oa]?| essere| tra i|"
        " fra i){0,2}(?: nostr[oaie])? (?:client[ei]|correntist[ai])>",
    ),
    (
        "no relationship",
        "status",
        f"<non (?:ci )?(?:risult\\w{{1,4}}|abbiamo|troviamo|esist\\w{{1,3}}) (?:alcun[oa]?|"
        f"nessun[oa]?) (?:{_PRODUCT}|cliente|rapporto)>(?! (?:disserviz|problem))",
    ),
    (
        "no relationship",
        "status",
        f"<non (?:ha|hai|avete)(?: piu)? (?:alcun[oa]?|nessun[oa]?|un[oa]?) {_PRODUCT} {_BANK}>",
    ),
    (
        "we see",
        "block",
        f"<(?:vediamo|vedo|notiamo|noto|risulta(?:no)?|constatiamo|abbiamo visto|rileviamo|confermiamo|"
        f"confermo)(?: anche| qui| infatti)?(?: (?:dal|nel|dai|nei|dalla) (?:su|tu|vostr)\\w{{1,2}} \\w{{4,12}})? che (?:lei |tu |voi )?(?:non )?(?:ha|hai|abbia|abbiate|avete|"
        f"possied\\w|dispon\\w|detien\\w|aveva|avevi)>{_HARMLESS}",
    ),
    (
        "we see",
        "block",
        "<(?:vediamo|vedo|notiamo|risulta|constatiamo|abbiamo visto|rileviamo|confermiamo|"
        "confermo)(?: anche)? che (?:lei |tu )?(?:e|sei|sia) (?:gia |un[oa]? )?(?:nostr[oa] )?(?:cliente|"
        "correntista|titolare|intestatari[oa]|scopert[oa]|in ritardo|moros[oa]|segnalat[oa])>",
    ),
    (
        "records",
        "block",
        f"<nostri {_STORES} (?:\\w{{1,12}} ){{0,2}}(?:risult\\w{{1,4}}|emerge|vediamo|figur\\w{{1,3}}|"
        f"compar\\w{{1,3}})>",
    ),
    (
        "records",
        "block",
        f"<(?:risult\\w{{1,4}}|emerge|figur\\w{{1,3}}|compar\\w{{1,3}}|la vediamo|"
        f"ti vediamo) (?:\\w{{1,12}} ){{0,3}}(?:nei|dai|ai) nostri {_STORES}>",
    ),
    ("records", "block", "<ci risulta (?:che|un|una|il|la|intestat|anche|ancora)"),
    (
        "we have done",
        "block",
        f"<(?:abbiamo|ho|hanno|avevamo)(?: gia| appena| anche| subito| quindi){{0,2}} {_DONE}(?: il| la| i| le|"
        f" sul| sulla)? {_YOUR} "
        "(?:posizione|pratica|situazione|anagrafica|profilo|scheda|operazion[ei]|transazion[ei]|storico|nome|"
        "nominativo)>",
    ),
    (
        "we have done",
        "block",
        f"<(?:le|ti|vi|gliel|l|te l)(?: \\w{{2,4}})? (?:abbiamo|e stat[oa]|sono stat[ie]|era stat[oa]|verra|verranno|saranno|viene|vengono|"
        f"sara|hanno)(?: gia| appena| anche| erroneamente| subito| due volte){{0,2}} {_MONEY_DONE}>",
    ),
    (
        "the product you",
        "block",
        f"<{_PRODUCT} che (?:ci |lei |tu |ti |le |vi ){{0,2}}(?:ha|hai|abbiamo|avete) (?:spedit|chiest|richiest|apert|"
        "sottoscritt|concess|erogat|bloccat|attivat|emess|rilasciat|acces)[oaie]>",
    ),
    ("the product you", "block", f"<che (?:vede|vedi|vedete|trova|trovi) (?:sul|nel|sulla|nella|sull) {_PRODUCT}>"),
    ("your product", "block", f"<{_YOUR} (?:domanda|richiesta|pratica) (?:di|per (?:il|la|un)) {_PRODUCT}>"),
    (
        "no relationship",
        "status",
        "<(?:ha|hai|avete) (?:un |alcun |nessun )?rapport[oi] (?:bancar\\w{1,2} )?con (?:noi|la nostra banca|questa banca)>",
    ),
    (
        "in your name",
        "block",
        "<intestat[oaie] (?:a )?(?:lei|te|voi|suo nome|tuo nome|vostro nome)>|<a (?:lei|te|voi) intestat[oaie]>",
    ),
    (
        "in your name",
        "block",
        "<(?:conto|carta|mutuo|rapporto|prestito|pratica) (?:\\w{1,12} ){0,2}a (?:suo|tuo|vostro) nome>",
    ),
    (
        "thanks",
        "block",
        "<(?:grazie|ringrazi\\w{1,4})(?: molto)? (?:per|di) (?:essere|"
        "esser) (?:un[oa]? )?(?:nostr[oa] )?(?:cliente|correntista|con noi)>",
    ),
    ("thanks", "block", "<(?:sua|tua|vostra) fedelta (?:come|di|in qualita di) cliente>"),
    (
        "customer since",
        "block",
        "<(?:cliente|correntista|con noi) (?:da|dal|fin dal|sin dal) (?:\\d|molti anni|tanti anni|anni|tempo|"
        "sempre|lunga data)",
    ),
    (
        "you have with us",
        "block",
        f"<(?:il|la|i|le|lo|del|della|sul|sulla|al|alla|dal|dalla|"
        f"nel) {_PRODUCT} (?:\\w{{1,12}} ){{0,2}}(?:che (?:lei |tu )?(?:ha|hai|avete|detiene|possiede|possiedi|"
        f"intrattiene) )(?:\\w{{1,12}} )?{_BANK}>",
    ),
    ("you have with us", "block", f"<(?:il|la|i|le|del|della|sul|sulla) {_PRODUCT} {_BANK}>"),
    (
        "you have with us",
        "status",
        f"<(?:ha|hai|avete|possiede|possiedi|detiene|detieni|aveva|avevi)(?: gia| anche| ancora){{0,2}} (?:un|"
        f"una|uno|il|la|due|tre|piu) (?:\\w{{1,12}} )?{_PRODUCT} (?:\\w{{1,12}} )?{_BANK}>",
    ),
    (
        "you opened",
        "status",
        f"<(?:ha|hai|avete) (?:gia |anche )?{_OPENED} (?:il|la|un|una|uno|lo) (?:nuov[oa] )?{_PRODUCT}>",
    ),
    (
        "your people",
        "warn",
        "<(?:sua|tua|vostra) (?:filiale|agenzia|posizione|pratica|situazione (?:bancaria|debitoria|finanziaria))>",
    ),
    (
        "your people",
        "warn",
        "<(?:suo|tuo|vostro) (?:consulente|gestore|referente in banca|profilo cliente|codice cliente)>",
    ),
    (
        "your access",
        "warn",
        "<(?:suo|tuo|vostro) account>(?! (?:social|mastodon|bluesky|x|twitter|facebook|instagram|threads|"
        "linkedin|tiktok|youtube|square|su |qui|@))",
    ),
    (
        "dear customer",
        "warn",
        "<(?:gentil[ei]|gentilissim[oae]|car[oa]|stimat[oa]|spett\\w{0,4}|egregi[oa]) (?:signor[ea]? )?client[ei]>",
    ),
)
