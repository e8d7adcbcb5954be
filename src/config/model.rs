//! The models of one provider: names, price, parameters.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use toml::Spanned;

use super::{
    Model, Price,
    canaries::Switches,
    error::Diagnostic,
    file::{ModelFile, PriceFile},
    load::Note,
    preset::{Preset, PresetModel},
    preset_file::{MAX_USD_PER_MTOK, MAX_USD_PER_REQUEST, price_is_sane},
    provider::Base,
    resolve::Resolver,
};
use crate::{
    id::{ModelId, TargetId},
    verdict::CanaryKind,
};

impl Resolver<'_> {
    /// The models that the entry names in either form, else the preset's default.
    pub(super) fn models(
        &mut self,
        names: Option<Spanned<Vec<Spanned<String>>>>,
        tables: Vec<Spanned<ModelFile>>,
        base: &Base<'_>,
    ) -> Vec<Model> {
        let named = names.is_some() || !tables.is_empty();
        let mut entries: Vec<(Spanned<String>, ModelFile)> = Vec::new();
        for name in names.map(Spanned::into_inner).unwrap_or_default() {
            entries.push((name, ModelFile::default()));
        }
        for table in tables {
            let here = Spanned::new(table.span(), ());
            let mut table = table.into_inner();
            match table.id.take() {
                Some(id) => entries.push((id, table)),
                None => self.error(
                    &here,
                    "a model has no id",
                    "add id, exactly as the provider calls the model",
                ),
            }
        }
        if !named && let Some(model) = &base.preset.default_model {
            entries.push((
                Spanned::new(base.source.span(), model.clone()),
                ModelFile::default(),
            ));
        }
        if entries.is_empty() {
            let message = format!("provider {} has no model", base.id);
            self.error(
                &base.source,
                message,
                "add models = [\"..\"]: observations need a target to be booked on",
            );
        }
        let mut seen = BTreeSet::new();
        let mut models = Vec::new();
        for (id, file) in entries {
            let model = match ModelId::new(id.get_ref()) {
                Ok(model) => model,
                Err(why) => {
                    self.error(
                        &id,
                        why.to_string(),
                        "write it exactly as the provider calls the model",
                    );
                    continue;
                }
            };
            let target = TargetId::new(base.id.clone(), model);
            if seen.insert(target.clone()) {
                models.push(self.model(target, &id, file, base));
            } else {
                self.error(
                    &id,
                    format!("model {target} is configured twice"),
                    "take one of them out",
                );
            }
        }
        models
    }

    fn model(&mut self, id: TargetId, here: &Spanned<String>, mut file: ModelFile, base: &Base<'_>) -> Model {
        let switches = Switches {
            short: file.canary.take(),
            long: file.long.take(),
            json: file.json.take(),
            tool: file.tool.take(),
        }
        .over(&base.canaries);
        let off = !base.can_generate || CanaryKind::ALL.iter().all(|kind| !self.is_on(*kind, &switches));
        let preset = base.preset.canary_for(id.model().as_str());
        let mut model = Model::new(id);
        model.price = self.price(&model.id, here, file.price.as_ref(), base, off);
        let own = file.params.unwrap_or_default();
        self.refused(&own, here, base.preset);
        model.max_tokens_field.clone_from(&preset.max_tokens_field);
        model.params.clone_from(&preset.params);
        model.params.extend(own);
        model.tags = file.tags.as_ref().map(|tags| self.tags(tags)).unwrap_or_default();
        model.limits = file.limits.map(|limits| self.limits(limits, base.limits));
        if let Some(via) = file.via {
            self.vias.push((model.id.clone(), via));
        }
        if base.can_generate {
            self.canaries(
                &mut model,
                &switches,
                file.max_tokens.as_ref(),
                (&preset, base.preset),
            );
        }
        model
    }

    /// Warns of members that the preset's models are known to answer with an error.
    fn refused(&mut self, params: &Map<String, Value>, here: &Spanned<String>, preset: &Preset) {
        for member in &preset.refuses {
            let mut parts = member.split('.');
            let first = parts.next().and_then(|part| params.get(part));
            if parts
                .try_fold(first, |value, part| Some(value?.get(part)))
                .flatten()
                .is_some()
            {
                let message = format!(
                    "params hold {member}, which models of preset {} refuse",
                    preset.name
                );
                let finding = Diagnostic::warning(message).at(self.place(here));
                self.report
                    .push(finding.help("take it out, or its canaries may be answered with an error"));
            }
        }
    }

    /// The file's price, else nothing where the entry is free, else the preset's. A model that is asked for tokens
    /// and has none of these is an error: a budget that doesn't know prices holds nothing.
    fn price(
        &mut self,
        id: &TargetId,
        here: &Spanned<String>,
        own: Option<&Spanned<PriceFile>>,
        base: &Base<'_>,
        off: bool,
    ) -> Option<Price> {
        if let Some(own) = own {
            let price = Price {
                input_usd_per_mtok: own.get_ref().input_usd_per_mtok,
                output_usd_per_mtok: own.get_ref().output_usd_per_mtok,
                usd_per_request: own.get_ref().usd_per_request,
            };
            if !price_is_sane(price) {
                let help = format!(
                    "use 0 to {MAX_USD_PER_MTOK} dollars per million tokens, 0 to {MAX_USD_PER_REQUEST} per request"
                );
                self.error(own, "price is out of range", help);
            }
            return Some(price);
        }
        if base.free {
            return Some(Price {
                input_usd_per_mtok: 0.0,
                output_usd_per_mtok: 0.0,
                usd_per_request: 0.0,
            });
        }
        // A vendor's price says nothing about what somebody else's server charges for a model of the same name.
        let known = base
            .preset
            .models
            .get(id.model().as_str())
            .filter(|_| !base.own_url);
        if let Some(PresetModel { price: dated, .. }) = known {
            self.notes.push(Note::Price(id.clone(), dated.clone()));
            return Some(dated.price);
        }
        if !off {
            let table = "[[provider.model]] with id and price = { input_usd_per_mtok = .., output_usd_per_mtok = .. }";
            let help = if base.own_url {
                format!("write {table}; or free = true for a server that charges nothing; or canary = false")
            } else {
                format!("write {table}; or canary = false")
            };
            self.error(here, format!("no price is known for {id}"), help);
        }
        None
    }
}
