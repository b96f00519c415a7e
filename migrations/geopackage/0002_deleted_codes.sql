-- By which code a deleted feature is found when a file brings it again.
CREATE INDEX biaotu_change_log_deleted ON biaotu_change_log (layer, json_extract(old, '$.code'), seq) WHERE new IS NULL;
