-- By which code a deleted feature is found when a file brings it again.
CREATE INDEX biaotu_change_log_deleted ON biaotu_change_log (layer, (old ->> 'code'), entry) WHERE new IS NULL;
