//! The one OpenAPI document: what the handlers say of themselves, completed with the layers of this server.

use serde_json::{Value as Json, json};
use utoipa::openapi::OpenApi;

use crate::model::Catalog;

/// The document as JSON text: title, version and servers set, and `layer` parameters limited to the layers that exist.
pub fn complete(document: OpenApi, catalog: &Catalog) -> String {
    let mut json = serde_json::to_value(document).unwrap_or_default();
    json["info"] = json!({
        "title": "Biaotu 标图",
        "version": env!("CARGO_PKG_VERSION"),
        "description": "An emergency bureau's map server: registers, spatial questions, tiles and a live stream. / 应急管理一张图服务:登记册、空间查询、瓦片与实时推送。",
        "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
    });
    json["servers"] = json!([{ "url": "/" }]);
    let layers: Vec<&str> = catalog.layers.iter().map(|layer| layer.id.as_str()).collect();
    if let Some(paths) = json.get_mut("paths").and_then(Json::as_object_mut) {
        // Some questions take several layers in one parameter.
        let single = paths.iter_mut().filter(|(path, _)| !matches!(path.as_str(), "/query/within" | "/events"));
        for operation in single.filter_map(|(_, path)| path.as_object_mut()).flat_map(|path| path.values_mut()) {
            let parameters = operation.get_mut("parameters").and_then(Json::as_array_mut);
            for parameter in parameters.into_iter().flatten().filter(|parameter| parameter["name"] == "layer") {
                parameter["schema"] = json!({ "type": "string", "enum": layers });
            }
        }
    }
    json.to_string()
}
